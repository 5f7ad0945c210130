# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# /// script
# dependencies = ["nox>=2025.2.9", "antsibull-nox>=1.10,<2"]
# ///

"""Sessions for those who are used to nox in collections: `nox -l` lists them; antsibull-nox.toml says what they do.

What needs more than a tool over files is left to `make`, and so is all that counts for a release:
    make lint                          these and mypy --strict
    make test                          everything, with the lab, real DNS servers, a KDC, Molecule
    make matrix                        every supported ansible-core: tests, ansible-test sanity and units, no containers
    make galaxy                        galaxy-importer on the archive
antsibull-nox runs ansible-test in containers alone, so its sessions for that are left out.
"""

from __future__ import annotations

import sys

import nox

try:
    import antsibull_nox
except ImportError:
    print("antsibull-nox is not installed: pip install -r requirements/nox.txt")
    sys.exit(1)

antsibull_nox.load_antsibull_nox_toml()

if __name__ == "__main__":
    nox.main()
