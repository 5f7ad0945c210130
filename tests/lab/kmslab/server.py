# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as a whole: the machines' endpoints by HTTP and HTTPS, the control API, and the files that describe them."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import yaml

from .cim import MachineView
from .control_api import ControlApi
from .dead_ports import DeadPorts
from .faults import Injector
from .record import Recorder
from .switches import Switches
from .tls import make_context
from .wsman import BANNER, Endpoint, HttpServer
from .wsman.auth import BasicScheme, CertificateScheme, Scheme
from .wsman.http import Wire
from .wsman.spnego_auth import SPNEGO_SCHEMES, PasswordFile


class EstateLike(Protocol):
    """What the servers need of an estate; `kmslab.model.Estate` is the real one."""

    @property
    def dns_port(self) -> int:
        """The port of the estate's DNS server on loopback."""

    def names(self) -> Sequence[str]:
        """The machines' names."""

    def view(self, name: str) -> MachineView | None:
        """One machine as its endpoint sees it, or None."""

    def describe(self, name: str) -> Mapping[str, Any]:
        """One machine's state, JSON-ready."""

    def patch(self, name: str, change: dict[str, Any]) -> object:
        """Merge a change into one machine's settable state.  Raises ValueError or KeyError."""

    def advance(self, minutes: int) -> object:
        """Move the estate's clock."""

    def reset(self) -> object:
        """Back to the state at the start."""

    def start(self) -> object:
        """Start what listens (DNS)."""

    def stop(self) -> object:
        """Stop it."""

    def zone_records(self, zone: str) -> Any:
        """The records of a DNS zone.  Raises KeyError."""

    def put_zone_records(self, zone: str, records: Any) -> object:
        """Replace the records of a DNS zone.  Raises KeyError or ValueError."""

    def inventory_vars(self) -> Mapping[str, Mapping[str, Any]]:
        """More variables: `all` -> those of every host, a machine's name -> its own (its login among them)."""

    def groups(self) -> Mapping[str, Mapping[str, Any]]:
        """Inventory groups: name -> {"hosts": [names], "vars": {...}}."""


_MANY = 500
_LOGIN = ("ansible_user", "ansible_password")


def build_inventory(estate: EstateLike, ports: Mapping[str, Any]) -> dict[str, Any]:
    """An Ansible inventory of the estate; the play's `lab_connection` chooses winrm (default) or psrp.

    The estate adds variables and groups; a login that most machines share is written once.
    """
    added = estate.inventory_vars()
    logins = Counter(
        json.dumps({key: own[key] for key in _LOGIN if key in own}) for own in map(added.get, estate.names()) if own
    )
    shared: dict[str, Any] = json.loads(logins.most_common(1)[0][0]) if logins else {}
    variables: dict[str, Any] = {
        "ansible_connection": "{{ lab_connection | default('winrm') }}",
        "ansible_host": "127.0.0.1",
        "ansible_port": ports["http_port"],
        **shared,
        "ansible_winrm_scheme": "http",
        "ansible_winrm_transport": "basic",
        "ansible_psrp_protocol": "http",
        "ansible_psrp_auth": "basic",
        "ansible_psrp_message_encryption": "never",
        "lab_http_port": ports["http_port"],
        "lab_https_port": ports["https_port"],
        "lab_ca_file": ports["ca_file"],
        "lab_closed_port": ports["closed_port"],
        "lab_silent_port": ports["silent_port"],
        "lab_dns_server": "127.0.0.1",
        "lab_dns_port": ports["dns_port"],
        **added.get("all", {}),
    }
    hosts = {
        name: {
            # Written out: in a delegated task inventory_hostname is the name of another machine.
            "ansible_winrm_path": f"/{name}/wsman",
            "ansible_psrp_path": f"{name}/wsman",
            **{key: value for key, value in added.get(name, {}).items() if key not in shared or shared[key] != value},
        }
        for name in estate.names()
    }
    children = {
        group: {"hosts": {name: {} for name in content.get("hosts", ())}, "vars": dict(content.get("vars", {}))}
        for group, content in estate.groups().items()
    }
    return {"all": {"vars": variables, "hosts": hosts, "children": children}}


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _as_yaml(inventory: dict[str, Any]) -> str:
    """The text of an inventory; that of a large estate is JSON, which is YAML too and read much faster."""
    if len(inventory["all"]["hosts"]) > _MANY:
        return json.dumps(inventory) + "\n"
    return "---\n" + yaml.dump(inventory, Dumper=_NoAliases, sort_keys=False, allow_unicode=True, width=120)


def _write(path: Path, content: str, *, mode: int = 0o644) -> None:
    """Write a file so that a reader sees all of it or nothing."""
    partial = path.with_name(path.name + ".partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as stream:
        stream.write(content)
    partial.replace(path)


class LabServer:
    """Everything that listens, over one estate.  Use inside a running event loop."""

    def __init__(
        self,
        estate: EstateLike,
        directory: Path,
        *,
        record_limit: int | None = None,
        allow_unencrypted: bool = True,
        machine_ports: Sequence[str] = (),
        latency_ms: float = 0,
    ) -> None:
        """`machine_ports`: machines that get HTTP and HTTPS ports of their own, with the path /wsman there."""
        self.estate = estate
        self.directory = directory
        self.recorder = Recorder(record_limit)
        self.injector = Injector()
        self.switches = Switches(latency_ms=latency_ms)
        self.endpoint = Endpoint(estate.view, recorder=self.recorder, injector=self.injector, switches=self.switches)
        wire = Wire()
        control = ControlApi(
            estate,
            endpoint=self.endpoint,
            recorder=self.recorder,
            injector=self.injector,
            switches=self.switches,
            wire=wire,
        )
        listen = partial(HttpServer, banner=BANNER, latency=lambda: self.switches.latency_ms / 1000, wire=wire)
        context, certificate = make_context(directory)
        self._tls = context
        passwords = PasswordFile(directory)
        plain: list[Scheme] = [
            *(scheme(passwords, encrypted=not allow_unencrypted) for scheme in SPNEGO_SCHEMES),
            BasicScheme(encrypted=not allow_unencrypted),
        ]
        secure: list[Scheme] = [
            *(scheme(passwords, encrypted=False, certificate=certificate) for scheme in SPNEGO_SCHEMES),
            BasicScheme(),
            CertificateScheme(),
        ]
        self._http = listen(self.endpoint.listener(plain))
        self._https = listen(self.endpoint.listener(secure))
        self._own = {
            name: {
                scheme: listen(self.endpoint.listener(offered, machine=name))
                for scheme, offered in (("http", plain), ("https", secure))
            }
            for name in machine_ports
        }
        self._dead = DeadPorts()
        self._control = HttpServer(control.handle, banner="kmslab", max_body=16 * 1024 * 1024)

    async def start(self, *, http_port: int = 0, https_port: int = 0, control_port: int = 0) -> dict[str, Any]:
        """Listen everywhere (port 0: any free one), write the files; returns what lab.json holds."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "lab.json").unlink(missing_ok=True)
        self.estate.start()
        info: dict[str, Any] = {
            "pid": os.getpid(),
            "http_port": await self._http.start(port=http_port),
            "https_port": await self._https.start(port=https_port, context=self._tls),
            "control_port": await self._control.start(port=control_port),
            "dns_port": self.estate.dns_port,
            "closed_port": self._dead.closed,
            "silent_port": self._dead.silent,
            "ca_file": str((self.directory / "ca.pem").resolve()),
        }
        if self._own:
            ports: dict[str, dict[str, int]] = {name: {} for name in self._own}
            for name, servers in self._own.items():
                for scheme, server in servers.items():
                    ports[name][scheme] = await server.start(context=self._tls if scheme == "https" else None)
            info["machine_ports"] = ports
        # The inventory has passwords and the TSIG secret of the lab.
        _write(self.directory / "inventory.yml", _as_yaml(build_inventory(self.estate, info)), mode=0o600)
        _write(self.directory / "lab.json", json.dumps(info, indent=1) + "\n")
        return info

    async def stop(self) -> None:
        """Close everything."""
        own = [server for servers in self._own.values() for server in servers.values()]
        for server in (self._http, self._https, self._control, *own):
            await server.stop()
        self._dead.close()
        self.endpoint.close()
        self.estate.stop()
