# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`python -m pages` writes the generated pages and pictures; with `--check` it fails when one is not up to date."""

from __future__ import annotations

import argparse
import sys

from .catalogue import PAGES, PICTURES, stale


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="pages", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is not up to date")
    if parser.parse_args(arguments).check:
        old = stale()
        if old:
            print("not up to date, run `python -m pages`:", *(str(path) for path in old), sep="\n")
        return bool(old)
    for path, make in {**PAGES, **PICTURES}.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(make(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
