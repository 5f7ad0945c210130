# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured, as a file and as figures."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Sample:
    """One run of ansible-playbook.

    wall, cpu (user and system, of ansible-playbook and all that it started) and lab_cpu are seconds; largest is the
    peak resident memory of its largest process in bytes; memory that of all its processes together, what they share
    counted once, None where it was not looked at; requests are those of WS-Management, sent and received bytes of HTTP
    with heads.
    """

    variant: str
    hosts: int
    latency_ms: float
    forks: int
    repeat: int
    wall: float
    cpu: float
    lab_cpu: float
    largest: int
    memory: int | None
    requests: int
    sent: int
    received: int
    connections: int

    @property
    def case(self) -> tuple[str, int, float, int]:
        """What repeats have in common."""
        return self.variant, self.hosts, self.latency_ms, self.forks


@dataclass
class Results:
    """All runs, with the machine on which they ran and how they were made."""

    machine: dict[str, Any] = field(default_factory=dict)
    method: dict[str, Any] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)

    def of(self, variant: str, hosts: int, latency_ms: float = 0, forks: int | None = None) -> list[Sample]:
        """The repeats of one case, in their order; by default with the number of forks of the grid."""
        wanted = self.method.get("forks") if forks is None else forks
        case = (variant, hosts, latency_ms, wanted)
        return sorted((one for one in self.samples if one.case == case), key=lambda one: one.repeat)

    def cases(self) -> list[tuple[str, int, float, int]]:
        """All cases, without repeats."""
        return list(dict.fromkeys(one.case for one in self.samples))

    def hosts_of(self, variant: str) -> list[int]:
        """With how many hosts a variant was measured."""
        return sorted({one.hosts for one in self.samples if one.variant == variant})

    def write(self, path: Path) -> None:
        """One line per run, so that a difference can be read."""
        lines = ",\n".join(f"  {json.dumps(dataclasses.asdict(one))}" for one in self.samples)
        head = json.dumps({"machine": self.machine, "method": self.method}, indent=1)
        path.write_text(f'{head[:-2]},\n "samples": [\n{lines}\n ]\n}}\n', encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Results:
        """What `write` wrote."""
        data: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return cls(data["machine"], data["method"], [Sample(**one) for one in data["samples"]])


def median(samples: Iterable[Sample], of: Callable[[Sample], float]) -> float:
    """The middle of the repeats."""
    return statistics.median(map(of, samples))


def ratio(above: Sequence[Sample], below: Sequence[Sample], of: Callable[[Sample], float]) -> float:
    """The middle of the ratios of runs that were made in the same repeat."""
    partners = {one.repeat: one for one in below}
    pairs = [(one, partners[one.repeat]) for one in above if one.repeat in partners]
    return statistics.median(of(one) / of(other) for one, other in pairs if of(other))
