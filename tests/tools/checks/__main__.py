# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`python -m checks` with tree, run STAGE ..., matrix, molecule or ee."""

from __future__ import annotations

import argparse
import functools
import sys

from .ee import ee
from .matrix import CHECKS, CORES, matrix
from .molecule import CONNECTIONS, molecule, scenario_names, show
from .runner import Stage, run_stages
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
    scenarios = commands.add_parser("molecule", help="run scenarios of Molecule: those that are named, or all of them")
    scenarios.add_argument("names", nargs="*", choices=[[], *scenario_names()], metavar="SCENARIO")
    scenarios.add_argument("--connection", choices=CONNECTIONS, default=CONNECTIONS[0], help="of those that are named")
    scenarios.add_argument("--twice", action="store_true", help="all of them, and then all of them again")
    environment = commands.add_parser("ee", help="make an execution environment and run the tests of the lab in it")
    environment.add_argument("--all", action="store_true", help="all tests of the lab, not a choice of them")
    options = parser.parse_args(arguments)
    link_tree()
    if options.command == "tree":
        return 0
    if options.command == "matrix":
        return matrix(options.only, options.check)
    if options.command == "molecule":
        if options.names:
            return show(options.names, options.connection)
        return run_stages([Stage("molecule", functools.partial(molecule, twice=options.twice))])
    if options.command == "ee":
        return run_stages([Stage("ee", functools.partial(ee, everything=options.all))])
    return run_stages([STAGES[name] for name in options.stages])


def _combination_names() -> list[str]:
    return [*CORES, *(f"{core}-py{python}" for core, pythons in CORES.items() for python in pythons)]


sys.exit(main())
