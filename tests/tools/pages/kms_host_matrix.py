# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a KMS host activates, of kms_host_matrix.csv, kms_host_updates.csv and windows_releases.csv."""

from __future__ import annotations

from ansible_collections.winops.kms.plugins.plugin_utils._licensing.tables import Row, rows

from .rst import document, introduction, list_table, paragraph, plain, title

_UPDATE_COLUMNS = ("KMS host", "To activate", "Update", "Revision")
_MATRIX = """
A KMS host key is for one group. It can be installed on any of the hosts, and Windows shows the channel in the
description of the licence. A KMS host on client Windows activates client Windows alone.
"""
_UPDATES = """
Any one of several updates for the same purpose is enough, and later cumulative updates contain them. From Windows 10
and Windows Server 2016 on, the revision of the build shows whether an update is there.
"""
_RELEASES = """
How the releases in these tables are told from what a machine reports. A release with editions goes before one without.
"""


def page() -> str:
    """The page's text."""
    matrix, updates, releases = (rows(name) for name in ("kms_host_matrix", "kms_host_updates", "windows_releases"))
    sources = sorted({row["source"] for row in (*matrix, *updates)})
    return document(
        "kms_host_matrix",
        "data/kms_host_matrix.csv, kms_host_updates.csv and windows_releases.csv",
        "What a KMS host activates",
        introduction("kms_host_matrix"),
        title("KMS host keys"),
        paragraph(_MATRIX),
        list_table((30, 25, 45), ("Key", "Hosts", "Activates"), [_group(row) for row in matrix]),
        title("Updates that a KMS host needs"),
        paragraph(_UPDATES),
        list_table(
            (30, 30, 20, 20), ("KMS host", "To activate", "Update", "Revision"), [_update(row) for row in updates]
        ),
        title("Releases of Windows"),
        paragraph(_RELEASES),
        list_table((40, 15, 20, 25), ("Release", "Kind", "Builds", "Editions"), [_release(row) for row in releases]),
        title("Sources"),
        "\n".join(f"* {plain(source)}" for source in sources),
    )


def _lines(text: str) -> str:
    return "\n".join(f"* {plain(name)}" for name in text.split("|"))


def _group(row: Row) -> tuple[str, str, str]:
    return f"{row['csvlk_group']}\n\n``{row['description_token']}``", _lines(row["hosted_on"]), _lines(row["activates"])


def _update(row: Row) -> tuple[str, str, str, str]:
    return row["host"], row["activates"], row["update"], row["revision"]


def _release(row: Row) -> tuple[str, str, str, str]:
    editions = " ".join(f"``{name}``" for name in row["edition_ids"].split("|") if name)
    return row["release"], row["kind"], row["builds"].replace("|", ", "), editions
