# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Samba as an Active Directory domain controller, with its internal DNS server and secure updates alone."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import ClassVar

from . import guide
from .base import Account, Kerberos, Process, ProgramServer, find_program, owner_of
from .kdc import krb5_conf
from .proxy import free_port

# Samba's own modules belong to the system's Python, not to that of the tests.
SYSTEM_PYTHON = "/usr/bin/python3"
# Its databases need not outlive a power cut.
_QUICK = {"TDB_NO_FSYNC": "1"}
_CLEAR = Path(__file__).with_name("samba_clear.py")


class Samba(ProgramServer):
    """The domain lab.test. Needs root. Starts the KDC and the DNS server, no file server and no directory service.

    rpc_port: where its service lsarpc answers DCE/RPC, on 127.0.0.1 and ::1.
    """

    name = "samba"
    zones = ("lab.test",)
    updatable = ("lab.test",)
    keys = {}
    realm: ClassVar[str] = "LAB.TEST"

    def names(self, zone: str = "lab.test") -> dict[str, str]:
        return {
            **super().names(zone),
            "DC=contoso,DC=com": "DC=lab,DC=test",
            "/etc/ansible/": f"{self.directory}/",
            "'KMS01$,KMS02$'": "somebody",
        }

    @property
    def smb_conf(self) -> Path:
        return self.directory / "smb.conf"

    @property
    def environment(self) -> dict[str, str]:
        """Has Samba's own tools work on this domain."""
        return {"SMB_CONF_PATH": str(self.smb_conf), **_QUICK}

    def start(self, stack: contextlib.ExitStack) -> None:
        own = self.directory
        kdc_port, password_port, self.rpc_port = free_port(), free_port(), free_port()
        tool = find_program("samba-tool", "samba-common-bin")
        self.shell(
            *(tool, "domain", "provision", f"--realm={self.realm}", "--domain=LAB", "--server-role=dc"),
            *("--dns-backend=SAMBA_INTERNAL", "--adminpass=Passw0rd.Administrator", "--host-name=dc1"),
            *("--host-ip=127.0.0.1", f"--targetdir={own}/dc"),
            *("--option=interfaces=127.0.0.1/8", "--option=bind interfaces only=yes"),
            environment=_QUICK,
        )
        for folder in ("run", "log"):
            (own / folder).mkdir()
        self.smb_conf.write_text(self.configuration(kdc_port, password_port))
        (own / "krb5.conf").write_text(krb5_conf(self.realm, kdc_port))
        guide.run_commands("dns-guide-samba-account", self.names(), environment=self.environment)
        self.shell(tool, "user", "create", "somebody", "Passw0rd.somebody", environment=self.environment)
        self.shell(tool, "spn", "add", "DNS/localhost", "DC1$", environment=self.environment)

        def account(name: str) -> Account:
            """With a password that is known; the guide's account has had a random one until here."""
            password, keytab = f"Passw0rd.{name}", own / f"{name}.keytab"
            keytab.unlink(missing_ok=True)
            self.shell(tool, "user", "setpassword", name, f"--newpassword={password}", environment=self.environment)
            self.shell(tool, "domain", "exportkeytab", str(keytab), f"--principal={name}", environment=self.environment)
            return Account(f"{name}@{self.realm}", password, keytab)

        self.kerberos = Kerberos(
            self.realm, own / "krb5.conf", "dc1.lab.test", account("kms-publisher"), account("somebody")
        )
        samba = [find_program("samba", "samba"), "-F", "--no-process-group", "-M", "single", "-s", str(self.smb_conf)]
        process = stack.enter_context(Process(samba, environment=_QUICK))
        process.wait_for_port(kdc_port)
        process.wait_for_port(self.server_port)
        process.wait_for_port(self.rpc_port)
        # Provisioning leaves out an address of loopback. Every account may make a name that is not there yet.
        self.nsupdate("lab.test", "add dc1.lab.test. 3600 A 127.0.0.1")
        # -I: this folder, which has a samba.py, is no place to import from. Leaving the context closes its input.
        self.cleaner = stack.enter_context(
            subprocess.Popen(
                [SYSTEM_PYTHON, "-I", str(_CLEAR), str(self.smb_conf)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **self.environment},
            )
        )

    def configuration(self, kdc_port: int, password_port: int) -> str:
        own = self.directory
        settings = {
            "netbios name": "DC1",
            "realm": self.realm,
            "workgroup": "LAB",
            "server role": "active directory domain controller",
            "server services": "kdc, dns, rpc",
            # Of the RPC services that one alone which needs no fixed port, as the endpoint mapper does.
            "dcerpc endpoint servers": "lsarpc",
            "rpc server port:lsarpc": self.rpc_port,
            "interfaces": "127.0.0.1/8 ::1/128",
            "bind interfaces only": "yes",
            "dns port": self.server_port,
            "krb5 port": kdc_port,
            "kpasswd port": password_port,
            "disable netbios": "yes",
            "load printers": "no",
            "private dir": f"{own}/dc/private",
            "state directory": f"{own}/dc/state",
            "cache directory": f"{own}/dc/cache",
            "lock directory": f"{own}/dc",
            "binddns dir": f"{own}/dc/bind-dns",
            "pid directory": f"{own}/run",
            "ncalrpc dir": f"{own}/run/ncalrpc",
            "winbindd socket directory": f"{own}/run/winbindd",
            "ntp signd socket directory": f"{own}/run/ntp",
            "logging": "file",
            "log file": f"{own}/log/samba.log",
        }
        lines = [f"\t{name} = {value}" for name, value in settings.items()]
        # The guide's fragment is the section [global] itself.
        return "\n".join([guide.snippet("dns-guide-samba-conf", self.names()), *lines, ""])

    def clear(self) -> None:
        """Takes the names themselves out of the directory. After an ordinary deletion they would keep their owner."""
        assert self.cleaner.stdin is not None and self.cleaner.stdout is not None
        for zone in self.updatable:
            self.cleaner.stdin.write(f"{zone} {owner_of(zone).removesuffix(f'.{zone}')}\n")
            self.cleaner.stdin.flush()
            if self.cleaner.stdout.readline() != "gone\n":
                raise RuntimeError(f"{_CLEAR.name} has failed; its error output says why")
