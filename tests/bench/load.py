# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that asks many machines of a lab as fast as it can, to see what the lab itself costs.

    python load.py --port 40001 --hosts 10000 --concurrency 200

It sends the two queries of `license_info` to each machine, and Pull where an answer has more; it reads nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import re
import time
from collections.abc import Sequence
from urllib.request import ProxyHandler, build_opener
from uuid import uuid4

_SOAP = "http://www.w3.org/2003/05/soap-envelope"
_ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
_WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
_MICROSOFT = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"
_RESOURCE = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/*"
_WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"

_SERVICE = (
    "Version,ClientMachineID,KeyManagementServiceMachine,KeyManagementServicePort,KeyManagementServiceLookupDomain,"
    "KeyManagementServiceHostCaching,DiscoveredKeyManagementServiceMachineName,IsKeyManagementServiceMachine,"
    "KeyManagementServiceCurrentCount,RequiredClientCount,KeyManagementServiceListeningPort,"
    "KeyManagementServiceTotalRequests,KeyManagementServiceFailedRequests,RemainingWindowsReArmCount"
)
_PRODUCT = (
    "ID,ApplicationID,Name,Description,LicenseFamily,PartialProductKey,LicenseIsAddon,LicenseStatus,"
    "LicenseStatusReason,GracePeriodRemaining,KeyManagementServiceMachine,KeyManagementServicePort,"
    "DiscoveredKeyManagementServiceMachineName,DiscoveredKeyManagementServiceMachinePort,OfflineInstallationId,"
    "KeyManagementServiceProductKeyID,IsKeyManagementServiceMachine,KeyManagementServiceCurrentCount,TrustedTime"
)
QUERIES = (
    f"SELECT {_SERVICE} FROM SoftwareLicensingService",
    f"SELECT {_PRODUCT} FROM SoftwareLicensingProduct WHERE PartialProductKey IS NOT NULL",
)
_MORE = re.compile(rb"<n:EnumerationContext>([^<]+)</n:EnumerationContext>")


def envelope(machine: str, action: str, body: str) -> bytes:
    """A request of WS-Enumeration."""
    return (
        f'<s:Envelope xmlns:s="{_SOAP}" xmlns:a="{_ADDRESSING}" xmlns:w="{_WSMAN}" xmlns:p="{_MICROSOFT}"><s:Header>'
        f'<a:To>http://127.0.0.1/{machine}/wsman</a:To><w:ResourceURI s:mustUnderstand="true">{_RESOURCE}'
        f'</w:ResourceURI><a:ReplyTo><a:Address s:mustUnderstand="true">{_ADDRESSING}/role/anonymous</a:Address>'
        f'</a:ReplyTo><a:Action s:mustUnderstand="true">{_ENUMERATION}/{action}</a:Action>'
        '<w:MaxEnvelopeSize s:mustUnderstand="true">512000</w:MaxEnvelopeSize>'
        f"<a:MessageID>uuid:{str(uuid4()).upper()}</a:MessageID>"
        '<w:Locale xml:lang="en-US" s:mustUnderstand="false"/><p:DataLocale xml:lang="en-US" s:mustUnderstand="false"/>'
        f"<w:OperationTimeout>PT60.000S</w:OperationTimeout></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def _enumerate(query: str) -> str:
    return (
        f'<n:Enumerate xmlns:n="{_ENUMERATION}"><w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements>'
        f'<w:Filter Dialect="{_WQL}">{query}</w:Filter></n:Enumerate>'
    )


def _pull(context: str) -> str:
    return (
        f'<n:Pull xmlns:n="{_ENUMERATION}"><n:EnumerationContext>{context}</n:EnumerationContext>'
        "<n:MaxElements>32000</n:MaxElements></n:Pull>"
    )


class _Connection:
    def __init__(self, port: int, machine: str, login: str) -> None:
        self._port = port
        self._machine = machine
        token = base64.b64encode(login.encode()).decode()
        self._head = (
            f"POST /{machine}/wsman HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Basic {token}\r\n"
            "Content-Type: application/soap+xml;charset=UTF-8\r\nContent-Length: "
        ).encode()

    async def survey(self) -> int:
        """Ask this machine all there is to ask; returns how many requests that were."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        asked = 0
        try:
            for query in QUERIES:
                action, body = "Enumerate", _enumerate(query)
                while True:
                    asked += 1
                    answer = await self._ask(reader, writer, envelope(self._machine, action, body))
                    more = _MORE.search(answer)
                    if more is None:
                        break
                    action, body = "Pull", _pull(more[1].decode())
        finally:
            writer.close()
        return asked

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
        writer.write(self._head + f"{len(request)}\r\n\r\n".encode() + request)
        head = await reader.readuntil(b"\r\n\r\n")
        status = head.split(b" ", 2)[1]
        length = re.search(rb"Content-Length: (\d+)", head)
        answer = await reader.readexactly(int(length[1]) if length else 0)
        if status != b"200":
            raise RuntimeError(f"{self._machine}: HTTP {status.decode()}: {answer[:300]!r}")
        return answer


async def survey(port: int, machines: Sequence[str], *, concurrency: int, login: str) -> tuple[int, float]:
    """Ask all machines; returns (requests, seconds)."""
    waiting = iter(machines)
    asked = 0

    async def work() -> None:
        nonlocal asked
        for machine in waiting:
            requests = await _Connection(port, machine, login).survey()
            asked += requests

    start = time.monotonic()
    await asyncio.gather(*(work() for _ignored in range(concurrency)))
    return asked, time.monotonic() - start


def main() -> None:
    """Survey a running lab, twice: nothing is cached for its machines the first time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--control-port", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--login", default="Administrator:Lab-only-1")
    arguments = parser.parse_args()
    opener = build_opener(ProxyHandler({}))

    def ask(path: str) -> object:
        with opener.open(f"http://127.0.0.1:{arguments.control_port}{path}") as response:
            return json.load(response)

    machines = [str(name) for name in ask("/machines")]  # type: ignore[attr-defined]
    for _ignored in range(2):
        before = ask("/totals")
        asked, seconds = asyncio.run(
            survey(arguments.port, machines, concurrency=arguments.concurrency, login=arguments.login)
        )
        after = ask("/totals")
        cpu = after["cpu_seconds"] - before["cpu_seconds"]  # type: ignore[index]
        memory = after["peak_rss_bytes"] / 2**20  # type: ignore[index]
        print(
            f"{len(machines)} machines, {asked} requests in {seconds:.1f} s; the lab: {cpu:.1f} s of CPU, "
            f"{cpu / asked * 1000:.2f} ms per request, {memory:.0f} MiB"
        )


if __name__ == "__main__":
    main()
