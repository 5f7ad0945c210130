# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PowerDNS with its SQLite backend: with rights per zone, and with a policy that knows the one record set."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from . import guide
from .base import KEYS, Process, ProgramServer, find_program, give_to

USER = "pdns"
SCHEMA = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")


class PowerDns(ProgramServer):
    """Each updatable zone as the guide's zone: whoever has the key may change anything in it."""

    name = "powerdns"

    def names(self, zone: str = "lab.test") -> dict[str, str]:
        return {
            **super().names(zone),
            "kms-publisher": "kms-key",
            "pdnsutil ": f"pdnsutil --config-dir={self.directory} ",
            "/etc/powerdns/": f"{self.directory}/",
        }

    def settings(self) -> list[str]:
        """Of the server's configuration, what the guide gives."""
        return [guide.snippet("dns-guide-powerdns-conf", self.names())]

    def start(self, stack: contextlib.ExitStack) -> None:
        own = self.directory
        settings = [
            "launch=gsqlite3",
            f"gsqlite3-database={own}/database",
            "gsqlite3-pragma-synchronous=0",
            "local-address=127.0.0.1,::1",
            f"local-port={self.server_port}",
            # Without these two it asks the internet whether it is safe, and opens sockets beyond loopback.
            "security-poll-suffix=",
            "query-local-address=127.0.0.1",
            f"socket-dir={own}",
            *([f"setuid={USER}", f"setgid={USER}"] if os.geteuid() == 0 else []),
            *self.settings(),
        ]
        (own / "pdns.conf").write_text("\n".join(settings) + "\n")
        with contextlib.closing(sqlite3.connect(own / "database")) as database:
            database.executescript(SCHEMA.read_text())
        self.load()
        give_to(USER, own, *own.iterdir())
        program = find_program("pdns_server", "pdns-server")
        options = ["--guardian=no", "--daemon=no", "--disable-syslog", "--write-pid=no"]
        process = Process([program, f"--config-dir={own}", *options])
        stack.enter_context(process).wait_for("Done launching threads")

    def load(self) -> None:
        """Zones, keys and rights. The guide's key has a random secret; the tests' own takes its place."""
        guide.run_commands("dns-guide-powerdns-key", self.names())
        pdnsutil = [find_program("pdnsutil", "pdns-server"), f"--config-dir={self.directory}"]
        for key, secret in KEYS.items():
            self.shell(*pdnsutil, "import-tsig-key", key, "hmac-sha256", secret)
        for zone, path in self.write_zones():
            self.shell(*pdnsutil, "load-zone", zone, str(path))
            if zone in self.updatable:
                guide.run_commands("dns-guide-powerdns-zone", self.names(zone))


class PowerDnsWithPolicy(PowerDns):
    """The guide's second step: the key may change SRV records of _vlmcs._tcp.lab.test alone."""

    name = "powerdns-policy"
    updatable = ("lab.test",)

    def settings(self) -> list[str]:
        (self.directory / "kms.lua").write_text(guide.snippet("dns-guide-powerdns-policy", self.names()))
        return [*super().settings(), guide.snippet("dns-guide-powerdns-policy-conf", self.names())]
