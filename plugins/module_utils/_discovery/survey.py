# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several domains at once: their records, the addresses of every target, and what answers there.

Each question is asked once: a target that several records name is looked up once, and an address and port that several
lead to is probed once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from .lookup import Host, Record, Service
from .probe import CLOSED, KMS, NO_ANSWER, NO_ROUTE, NOT_KMS, NOT_RPC, OPEN, Verdict

# Questions under way at the same time; enough for a slow answer not to hold up the others.
MOST_AT_ONCE = 16

# Best first: what a client that tries every address would get in the end.
_TCP_ORDER = (OPEN, CLOSED, NO_ANSWER, NO_ROUTE)
_RPC_ORDER = (KMS, NOT_KMS, NOT_RPC, NO_ANSWER, None)

# The target of a record that says that there is no such service (RFC 2782).
NOWHERE = "."

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Asks(Protocol):
    """What a survey needs of `lookup.Lookup`."""

    def service(self, domain: str) -> Service:
        """The record set of a domain."""

    def host(self, target: str) -> Host:
        """The addresses of a target."""


Probe = Callable[[str, int], Verdict]


@dataclass(frozen=True)
class Endpoint:
    """An address of a target. verdict: None when it was not probed."""

    address: str
    verdict: Verdict | None

    @property
    def family(self) -> str:
        """ipv4 or ipv6."""
        return "ipv6" if ":" in self.address else "ipv4"


@dataclass(frozen=True)
class Found:
    """A record with what is behind it."""

    record: Record
    host: Host
    endpoints: tuple[Endpoint, ...]

    @property
    def best(self) -> Verdict | None:
        """The best verdict of all addresses; None when none was probed."""
        verdicts = [endpoint.verdict for endpoint in self.endpoints if endpoint.verdict is not None]
        return min(verdicts, key=goodness, default=None)


@dataclass(frozen=True)
class Domain:
    """What a client finds for one domain. records: in the order of RFC 2782."""

    name: str
    service: Service
    records: tuple[Found, ...] = ()


def goodness(verdict: Verdict) -> tuple[int, int]:
    """A sort key: the lower, the better."""
    return (_TCP_ORDER.index(verdict.tcp), _RPC_ORDER.index(verdict.rpc))


def survey(domains: Sequence[str], asks: Asks, probe: Probe | None) -> tuple[Domain, ...]:
    """Look at the domains, in the order given. probe: what to do with an address and port; None to leave them alone."""
    services = _each(domains, asks.service)
    records = [record for service in services.values() for record in service.records]
    hosts = _each((record.host for record in records if record.host != NOWHERE), asks.host)
    doors = [(address, record.port) for record in records for address in hosts.get(record.host, Host()).addresses]
    verdicts = {} if probe is None else _each(doors, lambda door: probe(*door))

    def found(record: Record) -> Found:
        host = hosts.get(record.host, Host())
        ends = (Endpoint(address, verdicts.get((address, record.port))) for address in host.addresses)
        return Found(record, host, tuple(ends))

    return tuple(
        Domain(name, services[name], tuple(found(record) for record in services[name].records)) for name in domains
    )


def _each(keys: Iterable[Key], ask: Callable[[Key], Value]) -> dict[Key, Value]:
    """The answer for each different key, several asked at once."""
    different = list(dict.fromkeys(keys))
    if not different:
        return {}
    with ThreadPoolExecutor(max_workers=min(MOST_AT_ONCE, len(different))) as pool:
        return dict(zip(different, pool.map(ask, different), strict=True))
