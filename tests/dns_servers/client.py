# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the tests ask the tested code, and how they look at a server without it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import dns.message
import dns.query
import dns.rdatatype
import dns.update

from ansible_collections.winops.kms.plugins.module_utils._dns.credentials import Credential, TsigCredential
from ansible_collections.winops.kms.plugins.module_utils._dns.exchange import Answer, Server
from ansible_collections.winops.kms.plugins.module_utils._dns.gss import GssCredential
from ansible_collections.winops.kms.plugins.module_utils._dns.update import Goal, Host, Outcome, ensure

from .servers import KEYS, Account, DnsServer

PATIENCE = 60  # seconds after which a test that hangs is given up
OWNER = "_vlmcs._tcp.lab.test"


def lines(server: DnsServer, owner: str = OWNER) -> list[str]:
    """The set as dnspython's own functions read it: TTL and data, in lower case as some servers store it."""
    query = dns.message.make_query(owner, dns.rdatatype.SRV)
    answer = dns.query.tcp(query, "127.0.0.1", port=server.port, timeout=5, one_rr_per_rrset=True)
    found = [rrset for rrset in answer.answer if rrset.rdtype == dns.rdatatype.SRV]
    return sorted(f"{rrset.ttl} {rrset[0].to_text()}".lower() for rrset in found)


def serial(server: DnsServer, zone: str = "lab.test") -> int:
    answer = dns.query.tcp(dns.message.make_query(zone, "SOA"), "127.0.0.1", port=server.port, timeout=5)
    return int(answer.answer[0][0].serial)


def credential(server: DnsServer, *, other: bool = False) -> Credential:
    """Of the publisher, or of somebody whom the server knows and who may do nothing."""
    if server.kerberos is None:
        name = "other-key" if other else "kms-key"
        return TsigCredential(name, KEYS[name])
    return by_password(server, server.kerberos.other if other else server.kerberos.publisher)


def by_password(server: DnsServer, account: Account, **options: Any) -> GssCredential:
    assert server.kerberos is not None
    given = {"principal": account.principal, "password": account.password, "hostname": server.kerberos.hostname}
    return GssCredential(**{**given, **options})


class StartLine(Server):
    """Holds its first update back until every other writer has read the set too, so that all but one lose the race."""

    barrier: threading.Barrier | None = None

    def exchange(self, message: dns.message.Message) -> Answer:
        barrier, waits = self.barrier, isinstance(message, dns.update.UpdateMessage)
        if barrier is not None and waits:
            self.barrier = None
            barrier.wait(PATIENCE)
        return super().exchange(message)


def hosts(*targets: str, **values: int) -> tuple[Host, ...]:
    return tuple(Host(target, **values) for target in targets)


def run(
    server: DnsServer,
    target: str | Iterable[Host] = "kms01.lab.test",
    *,
    signed_by: Credential | None = None,
    host: str = "127.0.0.1",
    check: bool = False,
    probe: bool = False,
    domain: str = "lab.test",
    barrier: threading.Barrier | None = None,
    **goal: Any,
) -> Outcome:
    """One run of the module's core. target: a host with the values in `goal`, or several with their own."""
    values = {name: goal.pop(name) for name in ("port", "priority", "weight") if name in goal}
    asked = StartLine(host, server.port, 5.0, signed_by or credential(server))
    asked.barrier = barrier
    wanted = hosts(target, **values) if isinstance(target, str) else tuple(target)
    return ensure(asked, Goal(domain, wanted, **goal), check=check, probe=probe)


def concurrently(jobs: Iterable[Callable[[threading.Barrier], Outcome]]) -> list[Outcome]:
    """All at once, each in a thread of its own; an error in one is raised here."""
    work = list(jobs)
    barrier = threading.Barrier(len(work))
    outcomes: list[Outcome] = []
    errors: list[BaseException] = []

    def perform(job: Callable[[threading.Barrier], Outcome]) -> None:
        try:
            outcomes.append(job(barrier))
        except BaseException as error:
            barrier.abort()
            errors.append(error)

    threads = [threading.Thread(target=perform, args=(job,)) for job in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    if errors:
        raise errors[0]
    assert len(outcomes) == len(work)
    return outcomes
