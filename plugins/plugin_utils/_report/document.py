# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as one value of plain types, and its time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from .rows import KmsHost, Row, kms_host_of, rows_of
from .summary import summarize


def build_report(
    results: Mapping[str, Mapping[str, Any]], *, title: str, time: str, previous: str | None = None
) -> dict[str, Any]:
    """The report of a fleet.

    :param results: host -> its result of license_info with `application: all`, or why there is none.
    :param time: the time of the report, as it is to be shown.
    :param previous: an earlier report as JSON text: its time is kept when nothing else has changed since,
        so that the same state gives the same files.
    """
    rows = [row for host, result in results.items() for row in rows_of(host, result)]
    hosts = [found for host, result in results.items() if (found := kms_host_of(host, result))]
    return report_of(rows, hosts, title=title, time=time, previous=previous)


def report_of(
    rows: Iterable[Row], kms_hosts: Iterable[KmsHost], *, title: str, time: str, previous: str | None = None
) -> dict[str, Any]:
    """The same of rows from anywhere: title, time, digest (of all but the time), summary, rows."""
    ordered = sorted(rows, key=_order)
    content = {
        "title": str(title),
        "summary": summarize(ordered, sorted(kms_hosts, key=lambda one: (one.host.lower(), one.host))),
        "rows": [row.as_dict() for row in ordered],
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()
    earlier = _parse(previous)
    kept = earlier.get("time") if earlier.get("digest") == digest else None
    return {
        "title": content["title"],
        "time": kept if isinstance(kept, str) else str(time),
        "digest": digest,
        **content,
    }


def _order(row: Row) -> tuple[str, str, bool, str, str]:
    return (row.host.lower(), row.host, row.application != "windows", row.product or "", row.partial_product_key or "")


def _parse(text: str | None) -> Mapping[str, Any]:
    """An earlier report; what is none, such as a file of somebody else's, counts as nothing."""
    if not isinstance(text, str):
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
