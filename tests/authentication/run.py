# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints the table of connection plugins, authentication and message encryption, each cell tried against the lab.

    make tree && .venv/bin/python tests/authentication/run.py
    .venv/bin/python tests/authentication/run.py --python .cache/matrix/2.16-py3.10/bin/python --output table.rst

Needs requirements/kerberos.txt for each Python, and krb5-kdc, krb5-admin-server and krb5-user of Debian (`make auth`
installs both for .venv).  Exits 1 when a cell has failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".build"), str(ROOT / "tests" / "lab")]

from ansible_collections.winops.kms.tests.authentication import matrix  # noqa: E402 - found by the line above


def _elsewhere(python: str) -> list[matrix.Outcome]:
    """The outcomes of another Python, with the ansible-core that is installed for it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outcomes.json"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        subprocess.run([python, __file__, "--json", str(path)], check=True, env=environment)
        return matrix.from_json(path.read_text(encoding="utf-8"))


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", help="of a virtual environment; may be repeated (default: this)")
    parser.add_argument("--output", type=Path, help="write the table to this file too, as a page of the documentation")
    parser.add_argument("--json", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.json:
        options.json.write_text(matrix.as_json(matrix.collect()), encoding="utf-8")
        return 0
    found = [one for python in options.python or [sys.executable] for one in _elsewhere(python)]
    print(matrix.table(found))
    failed = [one for one in found if one.state == matrix.FAILED]
    if options.output and not failed:
        options.output.write_text(matrix.page(found), encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
