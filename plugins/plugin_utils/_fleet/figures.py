# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows -> for each host what is to be said of it, and counts of that over the fleet or any group of hosts."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from .._report.rows import KmsHost, Row
from .._report.words import CLIENT_THRESHOLD, SERVER_THRESHOLD, STATUSES
from .answers import Answer


@dataclass(frozen=True)
class HostState:
    """The answer of one host, and what makes it to be seen in the light of the others."""

    answer: Answer
    shares_id: bool
    expiring_days: int
    published: frozenset[str] | None
    """The KMS hosts in DNS; None when DNS was not asked."""

    @property
    def expiring_rows(self) -> list[Row]:
        """Licences that end in fewer than `expiring_days` days; one that has ended is not activated instead."""
        limit = self.expiring_days
        return [
            row
            for row in self.answer.rows
            if row.status == "licensed" and row.days_left is not None and row.days_left < limit
        ]

    @property
    def rows_not_in_dns(self) -> list[Row]:
        """Licences that use a KMS host which no SRV record names."""
        known = self.published
        return [row for row in self.answer.rows if known is not None and row.kms_server and row.kms_server not in known]

    def counted(self) -> int:
        """How many machines it has counted as a KMS host."""
        kms_host = self.answer.kms_host
        return (kms_host and kms_host.current_count) or 0


@dataclass(frozen=True)
class Metric:
    """Something that hosts are counted by.  listed: whether the hosts are named, because something is to be done."""

    text: str
    holds: Callable[[HostState], bool]
    why: Callable[[HostState], str] | None = None


def _reason(state: HostState) -> str:
    """Why a host is not activated, or was not read."""
    rows = state.answer.rows
    row = next((row for row in rows if row.status != "licensed"), rows[0])
    known = STATUSES.get(row.status)
    label = known.label if known else row.status
    if row.outcome != "ok":
        # The general advice says less than the reason.
        general = known is not None and row.remedy == known.advice and row.error_message
        return _sentences(row.error_message, "" if general else row.remedy)
    return _sentences(f"{row.product}: {row.status}" if row.product else label, row.error_message, row.remedy)


def _sentences(*parts: str | None) -> str:
    text = " ".join(part if part.endswith((".", "?")) else f"{part}." for part in parts if part)
    return text if text.endswith("...") else text.removesuffix(".")


def _expiry(state: HostState) -> str:
    first = min(state.expiring_rows, key=lambda row: row.days_left or 0)
    remedy = first.remedy or "It renews itself as long as it reaches its KMS host"
    return f"{first.product}: {first.days_left} days left. {remedy}"


def _stray(state: HostState) -> str:
    names = sorted({f"{row.kms_server} ({row.kms_server_source})" for row in state.rows_not_in_dns})
    return f"It uses {', '.join(names)}, which no _vlmcs._tcp record names"


def _shared(state: HostState) -> str:
    identity = state.answer.rows[0].client_machine_id
    return f"Client machine ID {identity}: a KMS host counts all as one. Run sysprep on the image, or rearm the others"


def _low(state: HostState) -> str:
    return f"It has counted {state.counted()} machines; servers need {SERVER_THRESHOLD}, clients {CLIENT_THRESHOLD}"


#: Name -> what is counted.  Each is a number of hosts.
METRICS: dict[str, Metric] = {
    "hosts": Metric("in all", lambda state: True),
    "answered": Metric("answered", lambda state: state.answer.answered),
    "unanswered": Metric("did not answer", lambda state: not state.answer.answered, _reason),
    "unreachable": Metric("were not reached", lambda state: state.answer.outcome == "unreachable"),
    "failed": Metric("could not be read", lambda state: state.answer.outcome == "failed"),
    "activated": Metric("are activated", lambda state: state.answer.activated),
    "unactivated": Metric(
        "are not activated", lambda state: state.answer.answered and not state.answer.activated, _reason
    ),
    "expiring": Metric("end soon", lambda state: bool(state.expiring_rows), _expiry),
    "sharing_id": Metric("share a client machine ID", lambda state: state.shares_id, _shared),
    "not_in_dns": Metric("use a KMS host that is not in DNS", lambda state: bool(state.rows_not_in_dns), _stray),
    "kms_hosts": Metric("are KMS hosts", lambda state: state.answer.kms_host is not None),
    "kms_hosts_low": Metric(
        "are KMS hosts below a threshold",
        lambda state: state.answer.kms_host is not None and state.counted() < CLIENT_THRESHOLD,
        _low,
    ),
}
#: The columns by which licences are counted.
KINDS = ("status", "edition", "channel", "kms_server", "error_code")
#: What is known only if DNS was asked.
NEEDS_DNS = "not_in_dns"


class Fleet:
    """All hosts of a run, in the order of their answers."""

    def __init__(
        self, answers: Iterable[Answer], *, expiring_days: int, published: Collection[str] | None = None
    ) -> None:
        self.answers = list(answers)
        known = None if published is None else frozenset(published)
        owners = Counter(identity for answer in self.answers for identity in _identities(answer))
        self._states = [
            HostState(
                answer=answer,
                shares_id=any(owners[identity] > 1 for identity in _identities(answer)),
                expiring_days=expiring_days,
                published=known,
            )
            for answer in self.answers
        ]
        self._metrics = {name: one for name, one in METRICS.items() if published is not None or name != NEEDS_DNS}

    def counts(self, hosts: Collection[str] | None = None) -> dict[str, int]:
        """Metric -> number of hosts, of all or of some."""
        counts: Counter[str] = Counter()
        for state in self._states:
            if hosts is None or state.answer.host in hosts:
                counts.update(name for name, metric in self._metrics.items() if metric.holds(state))
        return {name: counts[name] for name in self._metrics}

    def kinds(self, most: int) -> dict[str, dict[str, int]]:
        """Column of the rows -> its most frequent values and how many rows have each."""
        found: dict[str, dict[str, int]] = {}
        for column in KINDS:
            values = Counter(value for answer in self.answers for row in answer.rows if (value := getattr(row, column)))
            found[column] = dict(sorted(values.items(), key=lambda item: (-item[1], item[0]))[:most])
        return found

    def kms_hosts(self, most: int) -> list[KmsHost]:
        """The first KMS hosts; a KMS host key on each client, a common mistake, makes thousands of them."""
        return [answer.kms_host for answer in self.answers if answer.kms_host][:most]

    def problems(self, most: int) -> dict[str, list[dict[str, Any]]]:
        """Metric -> the first `most` hosts that something is to be done about, and what."""
        found: dict[str, list[dict[str, Any]]] = {}
        for name, metric in self._metrics.items():
            if metric.why:
                having = (state for state in self._states if metric.holds(state))
                found[name] = [
                    {"host": state.answer.host, "why": metric.why(state)} for state in itertools.islice(having, most)
                ]
        return found


def _identities(answer: Answer) -> set[str]:
    return {row.client_machine_id for row in answer.rows if row.client_machine_id}
