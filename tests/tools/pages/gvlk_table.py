# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client setup keys that Microsoft publishes, of gvlk.csv."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

from ansible_collections.winops.kms.plugins.plugin_utils._licensing.tables import Row, rows

from .rst import document, introduction, list_table, paragraph, plain, title

_FAMILIES = {"server": "Windows Server", "client": "Windows", "office": "Office, Visio, Project"}


def page() -> str:
    """The page's text."""
    body = [introduction("gvlk_table")]
    table = rows("gvlk")
    for family, heading in _FAMILIES.items():
        body.append(title(heading))
        chosen = [row for row in table if row["os_family"] == family]
        for product, group in groupby(chosen, key=itemgetter("product")):
            body.append(title(product, "^"))
            body.append(list_table((40, 40, 20), ("Edition", "Client setup key", "Machines"), _lines(list(group))))
    sources = sorted({row["source"] for row in table})
    body.append(title("Sources"))
    body.append("\n".join(f"* {paragraph(plain(source))}" for source in sources))
    return document("gvlk_table", "data/gvlk.csv", "Client setup keys", *body)


def _lines(group: list[Row]) -> list[tuple[str, str, str]]:
    return [(plain(row["edition"]), f"``{row['key']}``", row["kms_threshold"]) for row in group]
