# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An operator's desk for tests of the licensing model: calls the providers as the WS-Management endpoint would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kmslab.cim import Instance, Provider, WmiError
from kmslab.model import Estate

HOST_KEY = "N2222-22222-22222-22222-HK222"
SECOND_HOST_KEY = "N2222-22222-22222-22222-HK226"
USED_UP_HOST_KEY = "N2222-22222-22222-22222-HK777"
BLOCKED_HOST_KEY = "N2222-22222-22222-22222-HK888"
OLD_HOST_KEY = "N2222-22222-22222-22222-HK239"
MAK = "N3333-33333-33333-33333-MK333"
USED_UP_MAK = "N3333-33333-33333-33333-MK777"
RETAIL = "N4444-44444-44444-44444-RT444"
TSIG_SECRET = "bGFiIG9ubHk6IHRoaXMgaXMgbm90IGEgc2VjcmV0ISE="


def estate_data(*machines: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """An estate file's content: zone corp.example, the keys above, and these machines."""
    return {
        "name": "test",
        "domain": "corp.example",
        "keys": [
            {"key": HOST_KEY, "channel": "csvlk", "group": "ws2025", "activations": 3},
            {"key": SECOND_HOST_KEY, "channel": "csvlk", "group": "ws2025"},
            {"key": OLD_HOST_KEY, "channel": "csvlk", "group": "ws2022"},
            {"key": USED_UP_HOST_KEY, "channel": "csvlk", "group": "ws2025", "activations": 0},
            {"key": BLOCKED_HOST_KEY, "channel": "csvlk", "group": "ws2025", "blocked": True},
            {"key": MAK, "channel": "mak", "activations": 2},
            {"key": USED_UP_MAK, "channel": "mak", "activations": 0},
        ],
        "zones": [{"name": "corp.example"}],
        "defaults": {"domain": "corp.example"},
        "machines": list(machines),
        **more,
    }


def host(name: str = "kms1", **more: Any) -> dict[str, Any]:
    """A Server 2022 that is a KMS host with an open firewall."""
    return {
        "name": name,
        "edition": "ServerStandard",
        "build": 20348,
        "key": HOST_KEY,
        "licensed": True,
        "sppsvc": "Running",
        "firewall": {"SPPSVC-In-TCP": True},
        **more,
    }


def client(name: str = "pc", **more: Any) -> dict[str, Any]:
    """A Windows 11 Enterprise from volume media."""
    return {"name": name, "edition": "Enterprise", "build": 22631, **more}


def srv(target: str = "kms1.corp.example.", port: int = 1688, priority: int = 0, weight: int = 0) -> str:
    """An SRV line for a zone of an estate file."""
    return f"_vlmcs._tcp SRV {priority} {weight} {port} {target}"


class Desk:
    """Short ways to one estate's providers."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate

    def provider(self, machine: str, name: str, namespace: str = "root/cimv2") -> Provider:
        view = self.estate.view(machine)
        assert view is not None
        return view.providers[namespace.lower(), name.lower()]

    def rows(self, machine: str, name: str, namespace: str = "root/cimv2") -> list[Instance]:
        return list(self.provider(machine, name, namespace).instances())

    def service(self, machine: str) -> Instance:
        (row,) = self.rows(machine, "SoftwareLicensingService")
        return row

    def keyed(self, machine: str) -> Instance:
        (row,) = [row for row in self.rows(machine, "SoftwareLicensingProduct") if row["PartialProductKey"]]
        return row

    def set(self, machine: str, method: str, **arguments: Any) -> Instance:
        """Call a method of SoftwareLicensingService."""
        keys = {"Version": self.service(machine)["Version"]}
        return self.provider(machine, "SoftwareLicensingService").invoke(keys, method, arguments)

    def set_product(self, machine: str, method: str, **arguments: Any) -> Instance:
        """Call a method of the licence that has the key."""
        keys = {"ID": self.keyed(machine)["ID"]}
        return self.provider(machine, "SoftwareLicensingProduct").invoke(keys, method, arguments)

    def activate(self, machine: str) -> str:
        """Activate: 'ok' or the HRESULT as 0x........"""
        try:
            self.set_product(machine, "Activate")
        except WmiError as error:
            return f"0x{error.hresult:08X}"
        return "ok"

    def registry(self, machine: str, method: str, key: str, **arguments: Any) -> Instance:
        arguments = {"hDefKey": 2147483650, "sSubKeyName": key, **arguments}
        return self.provider(machine, "StdRegProv", "root/default").invoke(None, method, arguments)

    def restart(self, machine: str) -> None:
        """Stop and start the licensing service."""
        services = self.provider(machine, "Win32_Service")
        assert services.invoke({"Name": "sppsvc"}, "StopService", {})["ReturnValue"] == 0
        while self.state(machine) != "Stopped":
            pass
        assert services.invoke({"Name": "sppsvc"}, "StartService", {})["ReturnValue"] == 0

    def state(self, machine: str) -> object:
        return next(row["State"] for row in self.rows(machine, "Win32_Service") if row["Name"] == "sppsvc")
