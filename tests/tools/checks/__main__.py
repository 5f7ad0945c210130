# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`python -m checks tree`, `python -m checks run STAGE ...` or `python -m checks matrix`."""

from __future__ import annotations

import argparse
import sys

from .matrix import CHECKS, CORES, matrix
from .runner import run_stages
from .stages import STAGES
from .tree import link_tree


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="checks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("tree", help="make the collection tree of symbolic links")
    run = commands.add_parser("run", help="run stages in the given order until one fails")
    run.add_argument("stages", nargs="+", choices=sorted(STAGES), metavar="STAGE")
    versions = commands.add_parser("matrix", help="run the tests on every supported ansible-core and Python")
    versions.add_argument("only", nargs="*", choices=[[], *_combination_names()], metavar="CORE|CORE-pyPYTHON")
    versions.add_argument("--check", action="append", default=[], choices=list(CHECKS))
    options = parser.parse_args(arguments)
    link_tree()
    if options.command == "tree":
        return 0
    if options.command == "matrix":
        return matrix(options.only, options.check)
    return run_stages([STAGES[name] for name in options.stages])


def _combination_names() -> list[str]:
    return [*CORES, *(f"{core}-py{python}" for core, pythons in CORES.items() for python in pythons)]


sys.exit(main())
