# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Kerberos realm of its own on loopback: an MIT KDC, and the krb5.conf that leads to it."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping
from pathlib import Path

from . import guide
from .base import Process, find_program
from .guide import run_shell
from .proxy import free_port

REALM = "LAB.TEST"
MASTER_PASSWORD = "test"


class Kdc:
    """One realm. `create` makes its database, `start` the server; accounts can be made before and after that.

    directory: a folder that exists; everything is written there. config: krb5.conf. environment: what the programs of
    Kerberos need to find it.
    """

    def __init__(self, directory: Path, *, realm: str = REALM) -> None:
        self.realm = realm
        self.directory = directory
        self.config = directory / "krb5.conf"
        self.port = 0
        self.environment: Mapping[str, str] = {
            "KRB5_CONFIG": str(self.config),
            "KRB5_KDC_PROFILE": str(directory / "kdc" / "kdc.conf"),
        }

    def create(self) -> None:
        """Write the configuration, and make an empty database."""
        own, self.port = self.directory, free_port()
        (own / "kdc").mkdir()
        self.config.write_text(krb5_conf(self.realm, self.port))
        self.config.chmod(0o644)
        (own / "kdc" / "kdc.conf").write_text(
            f"[realms]\n  {self.realm} = {{\n    database_name = {own}/kdc/principal\n"
            f"    key_stash_file = {own}/kdc/stash\n    kdc_listen = 127.0.0.1:{self.port}\n"
            f"    kdc_tcp_listen = 127.0.0.1:{self.port}\n  }}\n[logging]\n  kdc = STDERR\n"
        )
        program = find_program("kdb5_util", "krb5-kdc")
        self._shell(program, "create", "-s", "-r", self.realm, "-P", MASTER_PASSWORD)

    def start(self, stack: contextlib.ExitStack) -> None:
        """Start the server; the stack stops it."""
        process = Process([find_program("krb5kdc", "krb5-kdc"), "-n"], environment=self.environment)
        stack.enter_context(process).wait_for("commencing operation")

    def admin(self, *queries: str) -> None:
        """Queries of kadmin.local, such as `addprinc -randkey HTTP/localhost`."""
        program = find_program("kadmin.local", "krb5-admin-server")
        for query in queries:
            self._shell(program, "-q", query)

    def _shell(self, *words: str) -> None:
        run_shell(shlex.join(words), environment=self.environment)


def krb5_conf(realm: str, port: int) -> str:
    """A client's configuration for a realm on loopback: the guide's, and where the KDC is (DNS does not tell here)."""
    domain = realm.lower()
    return guide.snippet("dns-guide-krb5-conf", {"CONTOSO.COM": realm}) + "\n".join(
        [
            "  dns_lookup_kdc = false",
            "[realms]",
            # The brace ends its line: `{ kdc = ...` on one line is not understood.
            f"  {realm} = {{",
            f"    kdc = 127.0.0.1:{port}",
            "  }",
            "[domain_realm]",
            f"  .{domain} = {realm}",
            f"  {domain} = {realm}",
            f"  localhost = {realm}",
            "",
        ]
    )
