# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows -> figures: how many of what, which errors, which KMS hosts, which machines share an ID."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .rows import KmsHost, Row, is_kms_client
from .words import (
    CLIENT_THRESHOLD,
    DAY_BINS,
    NO_TIME,
    PERMANENT,
    SERVER_THRESHOLD,
    SEVERITIES,
    STATUSES,
    WARN_DAYS,
    day_bin,
    status_of,
)


@dataclass(frozen=True)
class Grouping:
    """A figure by kind: which rows are counted, and what a row is counted as (the fields of an entry)."""

    fields: tuple[str, ...]
    counts: Callable[[Row], bool]
    value: Callable[[Row], tuple[Any, ...]]


def _is_license(row: Row) -> bool:
    return row.outcome == "ok" and row.status != "no_key"


#: Name in the summary -> how it is counted.  The most frequent kind comes first.
GROUPINGS: dict[str, Grouping] = {
    "products": Grouping(("application", "product"), _is_license, lambda row: (row.application, row.product)),
    "channels": Grouping(("channel",), _is_license, lambda row: (row.channel,)),
    "kms_servers": Grouping(
        ("server", "port"),
        lambda row: _is_license(row) and is_kms_client(row.channel),
        lambda row: (row.kms_server, row.kms_port),
    ),
}


def summarize(rows: Sequence[Row], kms_hosts: Sequence[KmsHost]) -> dict[str, Any]:
    """All figures of the report, of plain types.

    totals; status and days_left (every kind, in order); products, channels, kms_servers (counted, and how many of them
    are licensed); kms_hosts; errors (code, name, message, remedy, hosts); duplicates (client_machine_id, hosts).
    """
    statuses = Counter(row.status for row in rows)
    columns = Counter(day_bin(row.days_left, permanent=row.permanent).key for row in rows)
    duplicates = _duplicates(rows)
    return {
        "totals": _totals(rows, kms_hosts, duplicates),
        "status": [
            {"status": key, "label": status.label, "severity": status.severity, "count": statuses[key]}
            for key, status in STATUSES.items()
        ],
        "days_left": [
            {"range": column.key, "label": column.label, "severity": column.severity, "count": columns[column.key]}
            for column in (*DAY_BINS, PERMANENT, NO_TIME)
        ],
        **{name: _grouped(rows, grouping) for name, grouping in GROUPINGS.items()},
        "kms_hosts": [_kms_host(host) for host in kms_hosts],
        "errors": _errors(rows),
        "duplicates": duplicates,
    }


def _totals(rows: Sequence[Row], kms_hosts: Sequence[KmsHost], duplicates: Sequence[Any]) -> dict[str, int]:
    def hosts(wanted: Callable[[Row], bool]) -> int:
        return len({row.host for row in rows if wanted(row)})

    licenses = [row for row in rows if _is_license(row)]
    return {
        "hosts": hosts(lambda row: True),
        "hosts_read": hosts(lambda row: row.outcome == "ok"),
        "hosts_not_reached": hosts(lambda row: row.outcome == "unreachable"),
        "hosts_failed": hosts(lambda row: row.outcome == "failed"),
        "hosts_need_attention": hosts(lambda row: row.severity in ("bad", "warn")),
        "licenses": len(licenses),
        "licensed": sum(row.status == "licensed" for row in licenses),
        "ending_soon": sum(
            row.status == "licensed" and row.days_left is not None and row.days_left < WARN_DAYS for row in licenses
        ),
        "kms_hosts": len(kms_hosts),
        "duplicate_client_machine_ids": len(duplicates),
    }


def _grouped(rows: Iterable[Row], grouping: Grouping) -> list[dict[str, Any]]:
    counts: Counter[tuple[Any, ...]] = Counter()
    licensed: Counter[tuple[Any, ...]] = Counter()
    for row in rows:
        if grouping.counts(row):
            kind = grouping.value(row)
            counts[kind] += 1
            licensed[kind] += row.status == "licensed"
    ordered = sorted(counts, key=lambda kind: (-counts[kind], [str(part or "") for part in kind]))
    return [
        {**dict(zip(grouping.fields, kind, strict=True)), "count": counts[kind], "licensed": licensed[kind]}
        for kind in ordered
    ]


def _kms_host(host: KmsHost) -> dict[str, Any]:
    count = host.current_count
    return {
        **host.as_dict(),
        "enough_for_servers": count is not None and count >= SERVER_THRESHOLD,
        "enough_for_clients": count is not None and count >= CLIENT_THRESHOLD,
    }


def _errors(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """What is wrong, by error code, or by state where there is none; the worst and most frequent first."""
    hosts: dict[tuple[str, str | None], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        if row.severity != "ok":
            hosts[row.status if row.error_code is None else "", row.error_code].setdefault(row.host, row)
    found = []
    for (status_key, code), having in hosts.items():
        severity = min((row.severity for row in having.values()), key=SEVERITIES.index)
        first = next(iter(having.values()))
        found.append(
            {
                "code": code,
                "name": first.error_name if code else None,
                "severity": severity,
                "message": (first.error_message if code else None) or _state_message(status_key),
                "remedy": (first.remedy if code else None) or _state_remedy(status_key),
                "count": len(having),
                "hosts": sorted(having),
            }
        )
    return sorted(found, key=lambda one: (SEVERITIES.index(one["severity"]), -one["count"], one["code"] or ""))


# A licence that is in order so far, and yet is no matter to leave alone.
_LATE = (
    "Licensed, but it has not been renewed for long, or ends soon",
    "Make sure that the machines reach a KMS host (the _vlmcs._tcp record, TCP 1688); renew a licence that ends",
)


def _state_message(status_key: str) -> str:
    return _LATE[0] if status_key == "licensed" else status_of(status_key).label


def _state_remedy(status_key: str) -> str:
    return _LATE[1] if status_key == "licensed" else status_of(status_key).advice


def _duplicates(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Client machine IDs of several machines: a KMS host counts them as one."""
    hosts: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.client_machine_id:
            hosts[row.client_machine_id].add(row.host)
    return [
        {"client_machine_id": identity, "hosts": sorted(sharing)}
        for identity, sharing in sorted(hosts.items(), key=lambda item: (-len(item[1]), item[0]))
        if len(sharing) > 1
    ]
