# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Zones with several name servers: BIND as the primary, and Knot beside it, all at one port of different addresses.

lab.test      ns1 (127.0.0.1 and ::1) is BIND, ns2 (127.0.0.2) is Knot as its secondary, by NOTIFY and AXFR
stale.test    ns3 (127.0.0.3) is Knot, too, with a file of its own, so that it never follows
dead.test     at ns4 (127.0.0.4), nothing listens
lame.test     ns3 does not have this zone; ns5 has no address
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import dns.exception
import dns.message
import dns.rdatatype

from .base import Process, find_program, give_to, owner_of
from .bind import Bind
from .knot import USER, Knot
from .proxy import ADDRESSES, CountingProxy, free_port

SECONDARY, STALE, DEAD = "127.0.0.2", "127.0.0.3", "127.0.0.4"
NAME_SERVERS: Mapping[str, tuple[str, ...]] = {
    "lab.test": ("ns1", "ns2"),
    "stale.test": ("ns1", "ns3"),
    "dead.test": ("ns1", "ns4"),
    "lame.test": ("ns1", "ns3", "ns5"),
}
HOSTS = ("ns1 A 127.0.0.1", "ns1 AAAA ::1", f"ns2 A {SECONDARY}", f"ns3 A {STALE}", f"ns4 A {DEAD}")
_SOA = "@ SOA ns1.lab.test. hostmaster.lab.test. 1 3600 600 86400 300"
_NOTIFY = 4  # opcode, RFC 1996
_PATIENCE = 60


class HeldBack(CountingProxy):
    """Stands before the secondary. A NOTIFY that comes waits until the secondary has once answered for SRV records."""

    def __init__(self, server_port: int, *, port: int) -> None:
        super().__init__(server_port, addresses=(SECONDARY,), port=port)
        self._looked_at = threading.Event()

    def hold(self) -> None:
        """From now on, until the next answer."""
        self._looked_at.clear()

    def count(self, request: bytes) -> bool:
        if (request[2] >> 3) & 15 == _NOTIFY:
            self._looked_at.wait(_PATIENCE)
        return super().count(request)

    def count_answer(self, answer: bytes) -> None:
        super().count_answer(answer)
        with contextlib.suppress(dns.exception.DNSException):
            if any(one.rdtype == dns.rdatatype.SRV for one in dns.message.from_wire(answer).question):
                self._looked_at.set()

    def __exit__(self, *exception: object) -> None:
        self._looked_at.set()
        super().__exit__(None, None, None)


class NameServers(Bind):
    """BIND with the guide's policy in each zone. server_port: where all of them are."""

    zones = tuple(NAME_SERVERS)
    updatable = zones
    addresses = (*ADDRESSES, SECONDARY, STALE, DEAD)

    def write_zones(self) -> Iterator[tuple[str, Path]]:
        for zone in self.zones:
            path = self.directory / f"{zone}.zone"
            path.write_text("\n".join(["$TTL 3600", *self.lines(zone), ""]))
            yield zone, path

    @staticmethod
    def lines(zone: str) -> list[str]:
        hosts = HOSTS if zone == "lab.test" else ()
        return [_SOA, *(f"@ NS {name}.lab.test." for name in NAME_SERVERS[zone]), *hosts]

    def options(self) -> str:
        return (
            f"allow-transfer {{ 127.0.0.0/8; }}; notify explicit; notify-delay 0;\n"
            f"also-notify port {self.server_port} {{ {SECONDARY}; }};"
        )

    def start(self, stack: contextlib.ExitStack) -> None:
        super().start(stack)
        knot = Knot()
        own = knot.directory = stack.enter_context(knot.folder())
        port = free_port((SECONDARY,))
        stale = [*self.lines("stale.test"), f"{owner_of('stale.test')}. SRV 0 0 1688 kms99.lab.test."]
        (own / "stale.test.zone").write_text("\n".join(["$TTL 3600", *stale, ""]))
        user = [f"  user: {USER}:{USER}"] if os.geteuid() == 0 else []
        parts = ["server:", f"  listen: [{SECONDARY}@{port}, {STALE}@{self.server_port}]", f"  rundir: {own}", *user]
        parts += ["  udp-workers: 1", "  tcp-workers: 1", "  background-workers: 1"]
        parts += ["log:", "  - target: stderr", "    any: info", "database:", f"  storage: {own}"]
        parts += ["remote:", "  - id: primary", f"    address: 127.0.0.1@{self.server_port}"]
        parts += ["acl:", "  - id: notified", "    address: 127.0.0.0/8", "    action: notify"]
        parts += ["template:", "  - id: default", f"    storage: {own}", '    file: "%s.zone"']
        parts += ["zone:", "  - domain: lab.test", "    master: primary", "    acl: notified", "  - domain: stale.test"]
        (own / "knot.conf").write_text("\n".join(parts) + "\n")
        give_to(USER, own, *own.iterdir())
        self.knot = Process([find_program("knotd", "knot"), "-c", str(own / "knot.conf")])
        stack.enter_context(self.knot).wait_for("zone updated")
        self.secondary = HeldBack(port, port=self.server_port)
        stack.enter_context(self.secondary)
