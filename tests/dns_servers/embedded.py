# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The embedded server of the simulated estate, so that it is held to the same behaviour."""

from __future__ import annotations

import contextlib

import dns.name

from kmslab import dns as lab

from .base import KEYS, DnsServer, owner_of, zone_lines


class Lab(DnsServer):
    """Runs within the tests."""

    name = "lab"

    def start(self, stack: contextlib.ExitStack) -> None:
        zones = []
        for zone in self.zones:
            grant = lab.Grant(
                dns.name.from_text("kms-key"),
                frozenset({dns.name.from_text(owner_of(zone))}),
                frozenset({lab.SRV}),
            )
            records = [
                lab.Record(name, kind, 3600, data)
                for name, kind, data in (line.split(" ", 2) for line in zone_lines(zone))
            ]
            zones.append(lab.build_zone(zone, records, grants=[grant] if zone in self.updatable else []))
        keys = {name: ("hmac-sha256", secret) for name, secret in KEYS.items()}
        server = lab.DnsServer(zones, lab.keyring(keys))
        server.start()
        stack.callback(server.stop)
        self.server_port = server.port
