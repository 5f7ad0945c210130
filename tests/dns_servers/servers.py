# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real DNS servers on loopback, each with the same zones and keys, started from scratch and stopped by process id.

    lab.test         kms-key may change the SRV records of _vlmcs._tcp in it, and nothing else; other-key may nothing
    closed.test      nobody may change anything
    alias.test       _vlmcs._tcp in it is an alias; kms-key may change SRV records there
    parent.test      delegates _tcp to elsewhere
    split.test       delegates _tcp to itself: _tcp.split.test is a zone of its own, which kms-key may change

To add a server: a subclass of DnsServer, and a line in SERVERS.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from kmslab import dns as lab

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
START_SECONDS = 30


def owner_of(zone: str) -> str:
    """The only name that kms-key may change in an updatable zone."""
    return f"_vlmcs.{zone}" if zone.startswith("_tcp.") else f"_vlmcs._tcp.{zone}"


def zone_lines(zone: str) -> list[str]:
    """The records that each zone starts with. Its primary is 127.0.0.1, under the name ns1.lab.test."""
    lines = ["@ SOA ns1.lab.test. hostmaster.lab.test. 1 3600 600 86400 300", "@ NS ns1.lab.test."]
    return lines + EXTRA.get(zone, [])


def free_port() -> int:
    """A port of loopback that is free for TCP and UDP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = int(tcp.getsockname()[1])
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class DnsServer:
    """One server, running while it is used as a context manager."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self.port = 0

    def __enter__(self) -> DnsServer:
        raise NotImplementedError

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Program:
    """binary: what is started. package: where it comes from. ready: what it logs once it serves."""

    binary: str
    package: str
    ready: str


class ProgramServer(DnsServer):
    """A server that runs as a process of its own in the foreground and logs to its standard error."""

    program: ClassVar[Program]
    user: ClassVar[str]
    # Where AppArmor lets the packaged program read and write; used when it can be written to.
    home: ClassVar[Path]

    def __enter__(self) -> DnsServer:
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        binary = shutil.which(self.program.binary, path=path)
        if binary is None:
            raise RuntimeError(
                f"{self.program.binary} is not installed; it comes with the package {self.program.package}"
            )
        parent = self.home if os.access(self.home, os.W_OK) else None
        self.directory = Path(tempfile.mkdtemp(prefix=f"winops-kms-{self.name}-", dir=parent))
        self.port = free_port()
        command = [binary, *self.configure()]
        if os.geteuid() == 0:
            for path_ in (self.directory, *self.directory.iterdir()):
                shutil.chown(path_, self.user, self.user)
        self.log: list[str] = []
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.started = threading.Event()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        self.started.wait(START_SECONDS)
        if not any(self.program.ready in line for line in self.log):
            self._stop()
            raise RuntimeError(f"{self.program.binary} did not start:\n{''.join(self.log)}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop()
        shutil.rmtree(self.directory)

    def _stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line)
            if self.program.ready in line:
                self.started.set()
        self.started.set()

    def configure(self) -> list[str]:
        """Write the configuration into the directory; the arguments of the program."""
        raise NotImplementedError

    def write_zones(self) -> Iterator[tuple[str, Path]]:
        for zone in ZONES:
            path = self.directory / f"{zone}.zone"
            path.write_text("\n".join(["$TTL 3600", *zone_lines(zone), ""]))
            yield zone, path


class Bind(ProgramServer):
    name = "bind"
    program = Program("named", "bind9", "all zones loaded")
    user = "bind"
    home = Path("/var/cache/bind")

    def configure(self) -> list[str]:
        own = self.directory
        config = [
            *(f'key "{name}" {{ algorithm hmac-sha256; secret "{secret}"; }};' for name, secret in KEYS.items()),
            f'options {{ directory "{own}"; pid-file "{own}/pid"; session-keyfile "{own}/session.key"; lock-file none;',
            f"  listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 port {self.port} {{ ::1; }};",
            "  recursion no; dnssec-validation no; };",
            "controls { };",
        ]
        for zone, path in self.write_zones():
            policy = f" update-policy {{ grant kms-key name {owner_of(zone)}. SRV; }};" if zone in UPDATABLE else ""
            config.append(f'zone "{zone}" {{ type primary; file "{path}";{policy} }};')
        (own / "named.conf").write_text("\n".join(config) + "\n")
        user = ["-u", self.user] if os.geteuid() == 0 else []
        return ["-g", "-n", "1", *user, "-c", str(own / "named.conf")]


class Knot(ProgramServer):
    name = "knot"
    program = Program("knotd", "knot", "server started")
    user = "knot"
    home = Path("/var/lib/knot")

    def configure(self) -> list[str]:
        own = self.directory
        config = ["server:", f"  listen: [127.0.0.1@{self.port}, ::1@{self.port}]", f"  rundir: {own}"]
        if os.geteuid() == 0:
            config.append(f"  user: {self.user}:{self.user}")
        config += ["  udp-workers: 1", "  tcp-workers: 1", "  background-workers: 1"]
        config += ["log:", "  - target: stderr", "    any: info", "database:", f"  storage: {own}", "key:"]
        for name, secret in KEYS.items():
            config += [f"  - id: {name}", "    algorithm: hmac-sha256", f"    secret: {secret}"]
        config.append("acl:")
        for zone in UPDATABLE:
            config += [
                f"  - id: {zone}",
                "    key: kms-key",
                "    action: update",
                "    update-type: [SRV]",
                "    update-owner: name",
                "    update-owner-match: equal",
                f"    update-owner-name: [{owner_of(zone)}.]",
            ]
        config.append("zone:")
        for zone, path in self.write_zones():
            config += [f"  - domain: {zone}", f"    file: {path}", "    zonefile-sync: -1", "    journal-content: all"]
            config += ["    zonefile-load: difference-no-serial"]
            config += [f"    acl: {zone}"] if zone in UPDATABLE else []
        (own / "knot.conf").write_text("\n".join(config) + "\n")
        return ["-c", str(own / "knot.conf")]


class Lab(DnsServer):
    """The embedded server of the simulated estate, so that it is held to the same behaviour."""

    name = "lab"

    def __enter__(self) -> DnsServer:
        import dns.name

        zones = []
        for zone in ZONES:
            grant = lab.Grant(
                dns.name.from_text("kms-key"),
                frozenset({dns.name.from_text(owner_of(zone))}),
                frozenset({lab.SRV}),
            )
            records = [
                lab.Record(name, kind, 3600, data)
                for name, kind, data in (line.split(" ", 2) for line in zone_lines(zone))
            ]
            zones.append(lab.build_zone(zone, records, grants=[grant] if zone in UPDATABLE else []))
        keys = {name: ("hmac-sha256", secret) for name, secret in KEYS.items()}
        self.server = lab.DnsServer(zones, lab.keyring(keys))
        self.server.start()
        self.port = self.server.port
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.server.stop()


SERVERS: dict[str, type[DnsServer]] = {server.name: server for server in (Bind, Knot, Lab)}
