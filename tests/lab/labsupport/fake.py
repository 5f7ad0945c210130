# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small estate of plain dictionaries, a server for it in a thread, and a bare WS-Management client to talk to it.

The client is written from the protocol alone and shares nothing with the collection.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4
from xml.sax.saxutils import escape

from kmslab.cim import CimClass, Field, Instance, MachineView, Method, Provider, Value, WmiError
from kmslab.server import LabServer

USER, PASSWORD = "Administrator", "secret"

SERVICE = CimClass(
    "root/cimv2",
    "Win32_Service",
    (
        Field("Name", key=True),
        Field("DisplayName"),
        Field("State"),
        Field("ProcessId", "uint32"),
        Field("Started", "boolean"),
        Field("Dependencies", array=True),
        Field("InstallDate", "datetime"),
        Field("acceptStop", "boolean"),
        Field("Size", "uint64"),
        Field("Delay", "sint32"),
    ),
    (
        Method("StopService", (), (Field("ReturnValue", "uint32"),)),
        Method(
            "Change",
            (Field("DisplayName"), Field("StartMode", "uint8"), Field("Dependencies", array=True)),
            (Field("ReturnValue", "uint32"),),
        ),
    ),
)
REGISTRY = CimClass(
    "root/default",
    "StdRegProv",
    (),
    (
        Method(
            "EnumKey",
            (Field("hDefKey", "uint32"), Field("sSubKeyName")),
            (Field("sNames", array=True), Field("ReturnValue", "uint32")),
            static=True,
            writes=False,
        ),
        Method("Block", (), (Field("ReturnValue", "uint32"),), static=True),
    ),
)
SYSTEM = CimClass("root/cimv2", "Win32_OperatingSystem", (Field("Version"), Field("Caption")), ())
RULE = CimClass(
    "root/StandardCimv2", "MSFT_NetFirewallRule", (Field("InstanceID", key=True), Field("Enabled", "uint16")), ()
)


@dataclass
class Rows:
    """A provider over a list of dictionaries; methods are functions of (row, arguments)."""

    cim_class: CimClass
    rows: list[dict[str, Value]] = field(default_factory=list)
    methods: dict[str, Callable[[dict[str, Value] | None, Instance], Instance]] = field(default_factory=dict)
    calls: list[tuple[str, Instance | None, Instance]] = field(default_factory=list)

    def instances(self) -> Iterable[Instance]:
        return self.rows

    def _row(self, keys: Instance) -> dict[str, Value]:
        for row in self.rows:
            if all(row[name] == value for name, value in keys.items()):
                return row
        raise WmiError(0x80041002)

    def invoke(self, keys: Instance | None, method: str, arguments: Instance) -> Instance:
        self.calls.append((method, keys, arguments))
        row = self._row(keys) if keys else None
        return self.methods[method](row, arguments)

    def put(self, keys: Instance, properties: Instance) -> Instance:
        self.calls.append(("put", keys, properties))
        row = self._row(keys)
        row.update(properties)
        return row

    def create(self, properties: Instance) -> Instance:
        row = {item.name: properties.get(item.name) for item in self.cim_class.fields}
        self.rows.append(row)
        return row

    def delete(self, keys: Instance) -> None:
        self.rows.remove(self._row(keys))


def service(name: str, **values: Value) -> dict[str, Value]:
    """A row of Win32_Service."""
    row: dict[str, Value] = {
        "Name": name,
        "DisplayName": f"The {name} service",
        "State": "Running",
        "ProcessId": 700,
        "Started": True,
        "Dependencies": ["RpcSs", "Tcpip"],
        "InstallDate": None,
        "acceptStop": None,
        "Size": 2**64 - 1,
        "Delay": -1,
    }
    return {**row, **values}


class FakeEstate:
    """What `LabServer` needs, with machines made by the test."""

    dns_port = 5353

    def __init__(self, machines: Mapping[str, MachineView]) -> None:
        self.machines = dict(machines)
        self.log: list[str] = []
        self.zones: dict[str, Any] = {"corp.example": [{"name": "_vlmcs._tcp"}]}

    def names(self) -> Sequence[str]:
        return list(self.machines)

    def view(self, name: str) -> MachineView | None:
        return self.machines.get(name)

    def describe(self, name: str) -> Mapping[str, Any]:
        return {"name": name, "power": self.machines[name].powered}

    def patch(self, name: str, changes: dict[str, Any]) -> object:
        if set(changes) - {"power"}:
            raise ValueError(f"cannot set {', '.join(changes)}")
        self.machines[name].powered = bool(changes["power"])
        return None

    def advance(self, minutes: int) -> object:
        self.log.append(f"advance {minutes}")
        return None

    def reset(self) -> object:
        self.log.append("reset")
        return None

    def start(self) -> object:
        self.log.append("start")
        return None

    def stop(self) -> object:
        self.log.append("stop")
        return None

    def zone_records(self, zone: str) -> Any:
        return self.zones[zone]

    def put_zone_records(self, zone: str, records: Any) -> object:
        if zone not in self.zones:
            raise KeyError(zone)
        self.zones[zone] = records
        return None

    def inventory_vars(self) -> Mapping[str, Mapping[str, Any]]:
        login = {"ansible_user": USER, "ansible_password": PASSWORD}
        return {"all": {"lab_dns_zone": "corp.example"}, **{name: {**login} for name in self.machines}}

    def groups(self) -> Mapping[str, Mapping[str, Any]]:
        return {"kms_clients": {"hosts": list(self.machines), "vars": {}}}


def machine(
    name: str = "srv01",
    *,
    version: str = "10.0.20348",
    locale: str = "en-US",
    services: Iterable[dict[str, Value]] | None = None,
    subclassed: Mapping[str, str] | None = None,
) -> tuple[MachineView, dict[str, Rows]]:
    """A machine with a few classes, and its providers by class name."""
    moment = datetime(2024, 3, 9, 2, 57, 32, 488171, tzinfo=timezone.utc)
    shifted = datetime(2024, 3, 9, 2, 57, 32, tzinfo=timezone(timedelta(hours=-5, minutes=-30)))
    rows = list(services) if services is not None else [
        service("sppsvc", InstallDate=moment, acceptStop=False),
        service("W32Time", State="Stopped", ProcessId=0, Started=False, Dependencies=[], InstallDate=shifted),
        service("Odd", DisplayName='5 < 6 & "7" \x01\n', Dependencies=None, State=None, ProcessId=None),
    ]  # fmt: skip

    def stop(row: dict[str, Value] | None, arguments: Instance) -> Instance:
        if row is None or row["State"] == "Stopped":
            raise WmiError(0xC004F050)
        row["State"] = "Stopped"
        return {"ReturnValue": 0}

    providers = {
        "Win32_Service": Rows(
            SERVICE, rows, {"StopService": stop, "Change": lambda row, arguments: {"ReturnValue": 0}}
        ),
        "Win32_OperatingSystem": Rows(SYSTEM, [{"Version": version, "Caption": "Windows"}]),
        "StdRegProv": Rows(
            REGISTRY, [], {"EnumKey": lambda row, arguments: {"ReturnValue": 0, "sNames": ["One", "Two"]}}
        ),
        "MSFT_NetFirewallRule": Rows(RULE, [{"InstanceID": "SPPSVC-In-TCP", "Enabled": 2}]),
    }
    table: dict[tuple[str, str], Provider] = {}
    for provider in providers.values():
        cim_class = provider.cim_class
        table[cim_class.namespace.lower(), cim_class.name.lower()] = provider
    accounts = {USER: (PASSWORD, "full"), "reader": (PASSWORD, "read"), "nobody": (PASSWORD, "none")}
    return MachineView(name, accounts, table, locale, subclassed=dict(subclassed or {})), providers


class RunningLab:
    """A `LabServer` over a fake estate, in a thread of this process."""

    def __init__(self, estate: FakeEstate, directory: Path) -> None:
        self.estate = estate
        self.server: LabServer
        self.info: dict[str, Any] = {}
        self._directory = directory
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lab")

    def __enter__(self) -> RunningLab:
        self._thread.start()

        async def start() -> None:
            self.server = LabServer(self.estate, self._directory)
            self.info = await self.server.start()

        asyncio.run_coroutine_threadsafe(start(), self._loop).result(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def client(self, name: str = "srv01", *, user: str = USER, password: str = PASSWORD) -> Client:
        """A client for one machine."""
        return Client(self.info["http_port"], name, user=user, password=password)


NS = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "n": "http://schemas.xmlsoap.org/ws/2004/09/enumeration",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "m": "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd",
    "cim": "http://schemas.dmtf.org/wbem/wscim/1/common",
    "f": "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "wmi": "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError",
    "id": "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd",
}
WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
DMTF = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
ALL = WMI + "root/cimv2/*"
SERVICES = WMI + "root/cimv2/Win32_Service"


@dataclass
class Answer:
    """An HTTP answer with its parsed envelope."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def root(self) -> ET.Element:
        return ET.fromstring(self.text)

    def find(self, path: str) -> ET.Element:
        found = self.root.find(path, NS)
        assert found is not None, f"no {path} in {self.text}"
        return found

    def all(self, path: str) -> list[ET.Element]:
        return self.root.findall(path, NS)

    def value(self, path: str) -> str:
        return self.find(path).text or ""

    def has(self, path: str) -> bool:
        return self.root.find(path, NS) is not None

    @property
    def subcode(self) -> str:
        return self.value(".//s:Subcode/s:Value")

    @property
    def code(self) -> int:
        """The fault's code, in whichever shape it came."""
        if self.has(".//wmi:error_Code"):
            return int(self.value(".//wmi:error_Code"))
        return int(self.find(".//s:Detail/f:WSManFault").get("Code", ""))


class Client:
    """One keep-alive connection to one machine."""

    def __init__(self, port: int, name: str, *, user: str = USER, password: str = PASSWORD) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self.path = f"/{name}/wsman"
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.headers = {
            "Authorization": f"Basic {token}",
            "Content-Type": "application/soap+xml;charset=UTF-8",
        }

    def post(self, body: bytes | str, **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else body.encode()
        self.connection.request("POST", self.path, data, {**self.headers, **headers})
        response = self.connection.getresponse()
        return Answer(response.status, response.read().decode(), dict(response.headers.items()))

    def envelope(
        self,
        action: str,
        uri: str,
        body: str = "",
        *,
        selectors: Mapping[str, object] | None = None,
        options: Sequence[tuple[str, str]] = (),
        extra: str = "",
        without: str = "",
        max_envelope: int = 512000,
        timeout: str = "PT60.000S",
    ) -> str:
        selector_set = "".join(
            f'<w:Selector Name="{name}">{escape(str(value))}</w:Selector>' for name, value in (selectors or {}).items()
        )
        option_set = "".join(f'<w:Option Name="{name}">{value}</w:Option>' for name, value in options)
        blocks = {
            "To": f"<a:To>http://srv01.corp.example:5985{self.path}</a:To>",
            "ResourceURI": f'<w:ResourceURI s:mustUnderstand="true">{uri}</w:ResourceURI>',
            "ReplyTo": f"<a:ReplyTo><a:Address>{NS['a']}/role/anonymous</a:Address></a:ReplyTo>",
            "Action": f'<a:Action s:mustUnderstand="true">{action}</a:Action>',
            "MaxEnvelopeSize": f"<w:MaxEnvelopeSize>{max_envelope}</w:MaxEnvelopeSize>",
            "MessageID": f"<a:MessageID>uuid:{uuid4()}</a:MessageID>",
            "SelectorSet": f"<w:SelectorSet>{selector_set}</w:SelectorSet>" if selector_set else "",
            "OptionSet": f"<w:OptionSet>{option_set}</w:OptionSet>" if option_set else "",
            "OperationTimeout": f"<w:OperationTimeout>{timeout}</w:OperationTimeout>",
        }
        header = "".join(text for name, text in blocks.items() if name != without) + extra
        spaces = "".join(f' xmlns:{prefix}="{NS[prefix]}"' for prefix in "sanxwm")
        return f"<s:Envelope{spaces}><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"

    def send(self, action: str, uri: str, body: str = "", **options: Any) -> Answer:
        return self.post(self.envelope(action, uri, body, **options))

    # -- operations -------------------------------------------------------------------------------------------------

    def enumerate(
        self,
        wql: str = "",
        *,
        uri: str = ALL,
        optimize: bool = True,
        elements: int | None = 32000,
        mode: str = "",
        dialect: str = WQL,
        **options: Any,
    ) -> Answer:
        parts = ["<w:OptimizeEnumeration/>"] if optimize else []
        parts += [f"<w:MaxElements>{elements}</w:MaxElements>"] if elements is not None else []
        parts += [f"<w:EnumerationMode>{mode}</w:EnumerationMode>"] if mode else []
        parts += [f'<w:Filter Dialect="{dialect}">{escape(wql)}</w:Filter>'] if wql else []
        return self.send(NS["n"] + "/Enumerate", uri, f"<n:Enumerate>{''.join(parts)}</n:Enumerate>", **options)

    def pull(self, context: str, *, uri: str = ALL, elements: int | None = 32000, **options: Any) -> Answer:
        wish = f"<n:MaxElements>{elements}</n:MaxElements>" if elements is not None else ""
        body = f"<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext>{wish}</n:Pull>"
        return self.send(NS["n"] + "/Pull", uri, body, **options)

    def release(self, context: str, *, uri: str = ALL) -> Answer:
        body = f"<n:Release><n:EnumerationContext>{context}</n:EnumerationContext></n:Release>"
        return self.send(NS["n"] + "/Release", uri, body)

    def query(self, wql: str, *, uri: str = ALL, **options: Any) -> list[ET.Element]:
        """All items of a query, to the end."""
        answer = self.enumerate(wql, uri=uri, **options)
        assert answer.status == 200, answer.text
        items = list(answer.find(".//w:Items"))
        context = answer.value(".//n:EnumerationContext")
        while context:
            answer = self.pull(context, uri=uri)
            assert answer.status == 200, answer.text
            items += list(answer.find(".//n:Items"))
            found = answer.all(".//n:EnumerationContext")
            context = (found[0].text or "") if found else ""
        assert answer.has(".//w:EndOfSequence") or answer.has(".//n:EndOfSequence")
        return items

    def names(self, where: str) -> list[str]:
        """The names of the services that a condition selects."""
        return [item.findtext("Name") or "" for item in self.query(f"SELECT Name FROM Win32_Service WHERE {where}")]

    def get(self, uri: str, selectors: Mapping[str, object] | None = None, **options: Any) -> Answer:
        return self.send(NS["x"] + "/Get", uri, selectors=selectors, **options)

    def invoke_envelope(self, method: str, selectors: Mapping[str, object], *, uri: str = SERVICES) -> str:
        """The envelope of a method call without parameters."""
        body = f'<p:{method}_INPUT xmlns:p="{uri}"/>'
        return self.envelope(f"{uri}/{method}", uri, body, selectors=selectors)

    def invoke(
        self, uri: str, method: str, parameters: str = "", selectors: Mapping[str, object] | None = None, **options: Any
    ) -> Answer:
        """Call a method; `parameters` is XML with the prefix p bound to the class's URI."""
        body = f'<p:{method}_INPUT xmlns:p="{uri}">{parameters}</p:{method}_INPUT>'
        return self.send(f"{uri}/{method}", uri, body, selectors=selectors, **options)
