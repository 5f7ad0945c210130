# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""BIND 9, with TSIG keys, and with the Kerberos realm of an MIT KDC."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import ClassVar

from . import guide
from .base import Account, Kerberos, Process, ProgramServer, find_program, give_to, key_file
from .kdc import Kdc

USER = "bind"
# Where AppArmor lets the packaged program read and write; used when it can be written to.
HOME = Path("/var/cache/bind")
# What an ordinary user cannot do, and need not, because the server runs as himself.
_ROOT_ONLY = () if os.geteuid() == 0 else ("chown",)


class Bind(ProgramServer):
    """lab.test and the other updatable zones as the guide's zone, and the rest without a policy."""

    name = "bind"
    zone_block: ClassVar[str] = "dns-guide-bind-zone"

    def folder_parent(self) -> Path | None:
        return HOME if os.access(HOME, os.W_OK) else None

    def names(self, zone: str = "lab.test") -> dict[str, str]:
        return {
            **super().names(zone),
            "kms-publisher": "kms-key",
            "/etc/bind/": f"{self.directory}/",
            "/var/lib/bind/": f"{self.directory}/",
        }

    def start(self, stack: contextlib.ExitStack) -> None:
        self.prepare(stack)
        (self.directory / "named.conf").write_text(self.configuration())
        give_to(USER, self.directory)
        user = ["-u", USER] if os.geteuid() == 0 else []
        process = Process(
            [find_program("named", "bind9"), "-g", "-n", "1", *user, "-c", str(self.directory / "named.conf")]
        )
        stack.enter_context(process).wait_for("all zones loaded")

    def prepare(self, stack: contextlib.ExitStack) -> None:
        """The guide's commands make a key file with a random secret; the tests' own secret takes its place, and the
        owner and mode that the commands gave to the file stay."""
        guide.run_commands("dns-guide-bind-key", self.names(), without=_ROOT_ONLY)
        (self.directory / "kms-key.key").write_text(key_file("kms-key"))

    def options(self) -> str:
        """More lines for the block of options."""
        return ""

    def credentials(self) -> str:
        """What stands before the zones."""
        return guide.snippet("dns-guide-bind-include", self.names()) + key_file("other-key")

    def configuration(self) -> str:
        own, port = self.directory, self.server_port
        parts = [
            f'options {{ directory "{own}"; pid-file "{own}/pid"; session-keyfile "{own}/session.key"; lock-file none;',
            f"  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 port {port} {{ ::1; }};",
            "  recursion no; dnssec-validation no;",
            self.options(),
            "};",
            "controls { };",
            self.credentials(),
        ]
        for zone, path in self.write_zones():
            give_to(USER, path)
            if zone in self.updatable:
                parts.append(guide.snippet(self.zone_block, self.names(zone)))
            else:
                parts.append(f'zone "{zone}" {{ type primary; file "{path}"; }};')
        return "\n".join(parts) + "\n"


class BindWithKdc(Bind):
    """The same zones, in which a Kerberos account may change the records, and no TSIG key."""

    name = "bind-gss"
    keys = {}
    zone_block = "dns-guide-bind-gss-zone"
    realm: ClassVar[str] = "LAB.TEST"

    def names(self, zone: str = "lab.test") -> dict[str, str]:
        names = super().names(zone)
        del names["kms-publisher"]
        return {**names, "/etc/ansible/": f"{self.directory}/", "ns1.contoso.com": "ns1.lab.test"}

    def options(self) -> str:
        return guide.snippet("dns-guide-bind-gss-options", self.names())

    def credentials(self) -> str:
        return ""

    def prepare(self, stack: contextlib.ExitStack) -> None:
        own, kdc = self.directory, Kdc(self.directory, realm=self.realm)
        kdc.create()
        environment = kdc.environment
        guide.run_commands("dns-guide-bind-gss-keytab", self.names(), environment=environment, without=_ROOT_ONLY)
        guide.run_commands("dns-guide-bind-gss-account", self.names(), environment=environment, without=_ROOT_ONLY)

        def account(name: str) -> Account:
            """With a password and a keytab of the same keys; the guide's account has had random ones until here."""
            password, keytab = f"Passw0rd.{name}", own / f"{name}.keytab"
            keytab.unlink(missing_ok=True)
            kdc.admin(f"cpw -pw {password} {name}", f"ktadd -norandkey -k {keytab} {name}")
            return Account(f"{name}@{self.realm}", password, keytab)

        kdc.admin(
            "addprinc -randkey somebody",
            "addprinc -randkey DNS/localhost",
            f"ktadd -k {own}/dns.keytab DNS/localhost",
        )
        self.kerberos = Kerberos(self.realm, kdc.config, "ns1.lab.test", account("kms-publisher"), account("somebody"))
        kdc.start(stack)
