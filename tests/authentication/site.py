# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of logging on run against: a Kerberos realm by an MIT KDC, and two labs whose machines belong to it.

The machines of the one lab are as Windows is by default and take no plain message without TLS; those of the other do.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from ansible_collections.winops.kms.tests.dns_servers.base import find_program
from ansible_collections.winops.kms.tests.dns_servers.kdc import Kdc
from ansible_collections.winops.kms.tests.dns_servers.proxy import free_port
from kmslab.control import Lab

LOCAL = {"ansible_user": "Administrator", "ansible_password": "Local-only-1"}
"""An account of the machines themselves."""
REALM = "LAB.TEST"
DEAD_REALM = "DEAD.TEST"
"""A realm whose KDC does not answer."""
DOMAIN_PASSWORD = "Domain-only-1"
ALICE, LATE, STRANGER = (f"{name}@{REALM}" for name in ("alice", "late", "stranger"))
"""Accounts of the domain: one with a ticket, one whose ticket expired yesterday, one without rights on the machines."""
SERVICES = ("HTTP", "WSMAN", "host")
HOST = "localhost"
"""The name of all machines: of their certificates and of their services in Kerberos."""

FLEET = tuple(f"fleet{number:02}" for number in range(24))
"""Machines that are asked all at once."""


class Site:
    """Realm and labs with these machines, running while it is used as a context manager.

    environment: what a client needs to use the realm, with the tickets of ALICE and LATE.
    """

    def __init__(self, directory: Path, machines: Iterable[str]) -> None:
        self._directory = directory
        self._machines = list(machines)
        self._stack = contextlib.ExitStack()
        self.environment: Mapping[str, str] = {}

    def __enter__(self) -> Site:
        with contextlib.ExitStack() as stack:
            realm, tickets = self._directory / "realm", self._directory / "tickets"
            for folder in (realm, tickets):
                folder.mkdir(parents=True, mode=0o700)
            kdc = Kdc(realm, realm=REALM)
            self._make_realm(kdc)
            kdc.start(stack)
            # A directory of caches has one of each user.
            self.environment = {**kdc.environment, "KRB5CCNAME": f"DIR:{tickets}"}
            self._get_tickets()
            estate = self._directory / "estate.json"
            estate.write_text(json.dumps(self._estate()), encoding="utf-8")
            login = {**kdc.environment, "KRB5_KTNAME": str(realm / "machines.keytab")}
            strict = Lab(estate, environment=login, arguments=("--demand-encryption",))
            self.strict = stack.enter_context(strict)
            self.lax = stack.enter_context(Lab(estate, environment=login))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    def _make_realm(self, kdc: Kdc) -> None:
        kdc.create()
        with kdc.config.open("a") as config:
            config.write(f"[realms]\n  {DEAD_REALM} = {{\n    kdc = 127.0.0.1:{free_port()}\n  }}\n")
        kdc.admin(
            *(f"addprinc -pw {DOMAIN_PASSWORD} {user}" for user in (ALICE, LATE, STRANGER)),
            *(f"addprinc -randkey {service}/{HOST}" for service in SERVICES),
            f"ktadd -k {kdc.directory}/machines.keytab " + " ".join(f"{service}/{HOST}" for service in SERVICES),
        )

    def _get_tickets(self) -> None:
        self._kinit(ALICE)
        # A postdated ticket whose time is over: the KDC makes it as it is asked to, and refuses it ever after.
        yesterday = (datetime.now() - timedelta(days=1)).strftime("%Y%m%d%H%M%S")
        self._kinit("-s", yesterday, "-l", "10m", LATE)
        self._kinit(STRANGER)

    def _kinit(self, *arguments: str) -> None:
        done = subprocess.run(
            [find_program("kinit", "krb5-user"), *arguments],
            env=dict(self.environment),
            input=f"{DOMAIN_PASSWORD}\n",
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"kinit {' '.join(arguments)}: {done.stderr}")

    def _estate(self) -> dict[str, Any]:
        accounts = {
            LOCAL["ansible_user"]: {"password": LOCAL["ansible_password"], "rights": "full"},
            ALICE: {"password": DOMAIN_PASSWORD, "rights": "full"},
        }
        return {
            "name": "authentication",
            "domain": "corp.example",
            "zones": [{"name": "corp.example", "host_updates": "none"}],
            "defaults": {"domain": "corp.example", "accounts": accounts},
            "machines": [
                {"name": name, "edition": "Enterprise", "build": 22631, "groups": ["kms_clients"]}
                for name in self._machines
            ],
        }
