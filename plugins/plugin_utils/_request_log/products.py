# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of products by their activation ID, as far as a public table has them: Windows 7 to 11 and Server 2016, Office
2010 to 2016.  Windows 11 has the client setup keys, and so the activation IDs, of Windows 10."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path


@cache
def known_names() -> Mapping[str, str]:
    """Activation ID in lower case -> name."""
    with Path(__file__).with_name("products.csv").open(encoding="utf-8", newline="") as lines:
        return {row["activation_id"]: row["product"] for row in csv.DictReader(lines)}
