# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all servers here have in common: zones, keys, a proxy that counts, and how a program is run."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from .guide import run_shell, search_path
from .proxy import ADDRESSES, CountingProxy, free_port

# Invented for these tests; base64 of plain words.
KEYS = {
    "kms-key": "dGhlIHNlY3JldCBvZiB0aGUgcmVhbCBzZXJ2ZXJz",
    "other-key": "YW5vdGhlciBzZWNyZXQgZm9yIHRoZSBzZXJ2ZXJz",
}
ZONES = ("lab.test", "closed.test", "alias.test", "parent.test", "split.test", "_tcp.split.test")
UPDATABLE = ("lab.test", "alias.test", "split.test", "_tcp.split.test")
EXTRA = {
    "lab.test": ["ns1 A 127.0.0.1"],
    "alias.test": ["_vlmcs._tcp CNAME kms.lab.test."],
    "parent.test": ["_tcp NS ns1.elsewhere.example."],
    "split.test": ["_tcp NS ns1.lab.test."],
}
START_SECONDS = 60


def owner_of(zone: str) -> str:
    """The only name that the publisher may change in an updatable zone."""
    return f"_vlmcs.{zone}" if zone.startswith("_tcp.") else f"_vlmcs._tcp.{zone}"


def zone_lines(zone: str) -> list[str]:
    """The records that each zone starts with. Its primary is 127.0.0.1, under the name ns1.lab.test."""
    lines = ["@ SOA ns1.lab.test. hostmaster.lab.test. 1 3600 600 86400 300", "@ NS ns1.lab.test."]
    return lines + EXTRA.get(zone, [])


@dataclass(frozen=True)
class Account:
    """A Kerberos account. principal: with realm. keytab: a file with its keys."""

    principal: str
    password: str
    keytab: Path


@dataclass(frozen=True)
class Kerberos:
    """What a client needs to sign with GSS-TSIG.

    config: the krb5.conf that leads to the server's realm; set KRB5_CONFIG to it.
    hostname: the server's own name, of its service principal DNS/<hostname>. It stands in no hosts file here; the
    service principal DNS/localhost exists too, so that a server can be named as localhost.
    publisher: may change the records. other: a valid account without rights.
    """

    realm: str
    config: Path
    hostname: str
    publisher: Account
    other: Account

    def get_tickets(self, account: Account, cache: Path) -> None:
        """What `kinit` does: puts a ticket of the account into a credential cache, the file that is given."""
        environment = {"KRB5_CONFIG": str(self.config), "KRB5CCNAME": f"FILE:{cache}"}
        kinit = find_program("kinit", "krb5-user")
        run_shell(shlex.join([kinit, "-k", "-t", str(account.keytab), account.principal]), environment=environment)


class DnsServer(ABC):
    """One server, running while it is used as a context manager.

    port: where a client finds it, on 127.0.0.1 and ::1, TCP and UDP. It is that of a proxy that counts.
    zones, updatable: the zones that it serves, and those in which the publisher may change the records.
    keys: TSIG keys by name; none where the server knows no TSIG.
    kerberos: how to sign with GSS-TSIG; None where the server knows none.
    """

    name: ClassVar[str]
    zones: ClassVar[tuple[str, ...]] = ZONES
    updatable: ClassVar[tuple[str, ...]] = UPDATABLE
    keys: ClassVar[Mapping[str, str]] = KEYS
    # On which the server's port must be free.
    addresses: ClassVar[tuple[str, ...]] = ADDRESSES

    def __init__(self) -> None:
        self.port = 0
        self.server_port = 0
        self.directory = Path()
        self.kerberos: Kerberos | None = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> DnsServer:
        with contextlib.ExitStack() as stack:
            self.directory = stack.enter_context(self.folder())
            self.server_port = free_port(self.addresses)
            self.start(stack)
            self.proxy = stack.enter_context(CountingProxy(self.server_port))
            self.port = self.proxy.port
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A new folder for everything that the server writes, removed at the end."""
        path = Path(tempfile.mkdtemp(prefix=f"winops-kms-{self.name}-", dir=self.folder_parent()))
        try:
            yield path
        finally:
            shutil.rmtree(path)

    def folder_parent(self) -> Path | None:
        """Where that folder lies; None: where temporary files do."""
        return None

    @abstractmethod
    def start(self, stack: contextlib.ExitStack) -> None:
        """Start the server on server_port, and leave on the stack how to stop it."""

    @property
    def updates(self) -> int:
        """How many UPDATE messages have come to `port` so far."""
        return self.proxy.updates

    @property
    def accepted(self) -> int:
        """How many of them were answered with success, the only ones that can have changed anything."""
        return self.proxy.accepted

    def nsupdate(self, zone: str, *commands: str, other: bool = False) -> None:
        """Has the publisher change records by BIND's nsupdate, uncounted: the tested code has no part in it.

        other: has the key or account do it that may not. Raises RuntimeError when the server does not accept it.
        """
        environment, arguments = dict(os.environ), ["-v"]
        if self.kerberos is None:
            name = "other-key" if other else "kms-key"
            key = self.directory / f"nsupdate.{name}"
            key.write_text(key_file(name))
            arguments += ["-k", str(key)]
        else:
            account = self.kerberos.other if other else self.kerberos.publisher
            cache = self.directory / f"nsupdate.{account.principal}"
            # Each time anew: in Active Directory, a ticket holds the groups of its account.
            self.kerberos.get_tickets(account, cache)
            environment |= {"KRB5_CONFIG": str(self.kerberos.config), "KRB5CCNAME": f"FILE:{cache}"}
            arguments.append("-g")
        script = "\n".join([f"server localhost {self.server_port}", f"zone {zone}", *commands, "send", ""])
        done = subprocess.run(
            [find_program("nsupdate", "bind9-dnsutils"), *arguments],
            input=script,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env=environment,
        )
        # It cannot verify the answers of Samba 4.17, and exits with 2 although the change is made.
        verified = not done.returncode or "tsig verify failure" in done.stdout
        if "update failed" in done.stdout or not verified:
            raise RuntimeError(f"nsupdate, exit code {done.returncode}:\n{script}{done.stdout}")

    def dig(self, name: str, kind: str) -> list[str]:
        """The records of a name as dig shows them in short, sorted; uncounted."""
        dig = [find_program("dig", "bind9-dnsutils"), "@localhost", "-p", str(self.server_port), "+tcp", "+short"]
        done = subprocess.run([*dig, name, kind], stdout=subprocess.PIPE, text=True, check=True)
        return sorted(done.stdout.splitlines())

    def records(self, zone: str = "lab.test") -> list[str]:
        """The set of a zone, sorted: priority, weight, port and target of each record."""
        return self.dig(owner_of(zone), "SRV")

    def clear(self) -> None:
        """Empty every set that the publisher may change."""
        first, *others = self.updatable
        commands = [f"delete {owner_of(first)}. SRV"]
        for zone in others:  # one run of nsupdate can send several messages
            commands += ["send", f"zone {zone}", f"delete {owner_of(zone)}. SRV"]
        self.nsupdate(first, *commands)


def key_file(name: str) -> str:
    """A key in the form that BIND and its tools read."""
    return f'key "{name}" {{ algorithm hmac-sha256; secret "{KEYS[name]}"; }};\n'


def find_program(program: str, package: str) -> str:
    """The path of a program. Raises RuntimeError when it is not installed."""
    path = shutil.which(program, path=search_path())
    if path is None:
        raise RuntimeError(f"{program} is not installed; it comes with the package {package}")
    return path


def give_to(user: str, *paths: Path) -> None:
    """Root gives files to the user that the server runs as; others run it as themselves."""
    if os.geteuid() == 0:
        for path in paths:
            shutil.chown(path, user, user)


class Process:
    """A program that runs in the foreground and logs to its output. It is stopped by its own process id."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> None:
        self.command = list(command)
        self.environment = {**os.environ, **(environment or {})}
        self.log: list[str] = []
        self._changed = threading.Condition()
        self._ended = False

    def __enter__(self) -> Process:
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self.environment,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.process.terminate()
        try:
            self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                with self._changed:
                    self.log.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, text: str) -> None:
        """Wait until the program logs a line with the text. Raises RuntimeError if it ends before or takes too long."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or any(text in line for line in self.log), START_SECONDS)
            if not any(text in line for line in self.log):
                raise RuntimeError(f"{self.command[0]} did not start:\n{''.join(self.log)}")

    def wait_for_port(self, port: int) -> None:
        """The same for a program that does not log when it is ready: wait until it takes connections."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.command[0]} did not start:\n{''.join(self.log)}")
            time.sleep(0.02)


class ProgramServer(DnsServer):
    """A server that is a program of its own."""

    def write_zones(self) -> Iterator[tuple[str, Path]]:
        """The files of all zones, by zone."""
        for zone in self.zones:
            path = self.directory / f"{zone}.zone"
            path.write_text("\n".join(["$TTL 3600", *zone_lines(zone), ""]))
            yield zone, path

    def names(self, zone: str = "lab.test") -> dict[str, str]:
        """What the names of the guide's world are here, for the configuration of one zone."""
        return {
            "dig @ns1.contoso.com": f"{find_program('dig', 'bind9-dnsutils')} @localhost -p {self.port}",
            "_vlmcs._tcp.contoso.com": owner_of(zone),
            "contoso.com": zone,
            "CONTOSO.COM": "LAB.TEST",
            "192.0.2.10": "127.0.0.0/8 ::1",
        }

    def shell(self, *words: str, environment: Mapping[str, str] | None = None) -> str:
        """Runs one command to set the server up."""
        return run_shell(shlex.join(words), environment=environment)
