# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The figures of a run in Prometheus' text format, for the textfile collector of the node exporter.

Names and labels follow "Metric and label naming" of Prometheus: a prefix for what it is about, base units, `_total` for
what only grows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from .answers import Answer

_PREFIX = "winops_kms_"
#: Metrics that say how the run went.  They differ each time, without anything having changed in the fleet.
_OF_THE_RUN = ("fleet_survey_duration_seconds", "fleet_survey_timestamp_seconds")

#: Each machine is in one of these.
_STATES = ("activated", "unactivated", "unreachable", "failed")
#: Metric of the figures -> its name here, and what it is.
_GAUGES = {
    "expiring": ("fleet_expiring_hosts", "Machines with a licence that ends soon."),
    "sharing_id": ("fleet_sharing_id_hosts", "Machines that share their client machine ID with another one."),
    "not_in_dns": ("fleet_not_in_dns_hosts", "Machines that use a KMS host which no SRV record names."),
    "kms_hosts": ("fleet_kms_hosts", "KMS hosts."),
    "kms_hosts_low": ("fleet_low_kms_hosts", "KMS hosts that have not counted enough machines for all their clients."),
}

Sample = tuple[dict[str, str], float]


class _Family(NamedTuple):
    name: str
    kind: str
    help: str
    samples: list[Sample]


def prometheus_text(
    answers: Sequence[Answer],
    counts: Mapping[str, Mapping[str, int]],
    *,
    duration: float,
    timestamp: float,
) -> str:
    """The content of a .prom file.

    :param counts: group -> its counts by metric; the group "all" is the fleet.
    :param duration: of the run in seconds. timestamp: its end, in seconds since 1970.
    """
    families = [*_of_hosts(counts), _of_licenses(answers), *_of_kms_hosts(answers)]
    families.append(_Family(_OF_THE_RUN[0], "gauge", "Time that the last survey took.", [({}, duration)]))
    families.append(_Family(_OF_THE_RUN[1], "gauge", "End of the last survey.", [({}, timestamp)]))
    return "".join(_family_text(family) for family in families if family.samples)


def same_figures(one: str, other: str) -> bool:
    """Whether two such texts tell the same of the fleet."""
    return _of_the_fleet(one) == _of_the_fleet(other)


def _of_the_fleet(text: str) -> list[str]:
    skipped = tuple(_PREFIX + name for name in _OF_THE_RUN)
    return [line for line in text.splitlines() if not line.startswith(skipped)]


def _of_hosts(counts: Mapping[str, Mapping[str, int]]) -> Iterator[_Family]:
    states: list[Sample] = [
        ({"group": group, "state": state}, found[state]) for group, found in counts.items() for state in _STATES
    ]
    yield _Family("fleet_hosts", "gauge", "Machines of the inventory group by state.", states)
    for metric, (name, text) in _GAUGES.items():
        samples: list[Sample] = [
            ({"group": group}, found[metric]) for group, found in counts.items() if metric in found
        ]
        yield _Family(name, "gauge", text, samples)


def _of_licenses(answers: Iterable[Answer]) -> _Family:
    kinds = Counter(
        (row.application or "", row.channel or "", row.status)
        for answer in answers
        if answer.answered
        for row in answer.rows
        if row.status != "no_key"
    )
    samples: list[Sample] = [
        ({"application": application, "channel": channel, "status": status}, count)
        for (application, channel, status), count in sorted(kinds.items())
    ]
    return _Family("fleet_licenses", "gauge", "Licences with a product key by state.", samples)


def _of_kms_hosts(answers: Iterable[Answer]) -> Iterator[_Family]:
    hosts = [answer.kms_host for answer in answers if answer.kms_host]
    for name, field, kind, text in (
        ("host_current_count", "current_count", "gauge", "Machines that the KMS host has counted."),
        ("host_required_count", "required_count", "gauge", "Machines that it must have counted to activate any."),
        ("host_requests_total", "total_requests", "counter", "Requests that the KMS host has received."),
        ("host_requests_failed_total", "failed_requests", "counter", "Requests that it has refused."),
    ):
        values = [({"kms_host": host.host}, getattr(host, field)) for host in hosts]
        yield _Family(name, kind, text, [(labels, value) for labels, value in values if value is not None])


def _family_text(family: _Family) -> str:
    name = _PREFIX + family.name
    lines = [f"# HELP {name} {family.help}", f"# TYPE {name} {family.kind}"]
    for labels, value in family.samples:
        inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{inner}}} {_number(value)}" if inner else f"{name} {_number(value)}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"
