# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an estate file (format: tests/lab/README.md) into plain data, with errors that name the place."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .keys import well_formed

_RANGE = re.compile(r"(.*)\[(\d+):(\d+)\](.*)")


class EstateError(ValueError):
    """The estate file says something that cannot be; the message names the entry."""


@dataclass
class DnsServerZoneSpec:
    """A zone of the estate as a machine's Windows DNS server has it; `type` is primary or secondary."""

    type: str = "primary"
    ds_integrated: bool | None = None
    """None: as the machine is a domain controller."""
    aging: bool = False


@dataclass
class DnsServerSpec:
    """The DNS server role of a machine."""

    zones: dict[str, DnsServerZoneSpec]


@dataclass
class TpmSpec:
    """The Trusted Platform Module of a machine, as Win32_Tpm shows it."""

    enabled: bool = True
    activated: bool = True
    owned: bool = True
    spec_version: str = "2.0, 0, 1.38"


@dataclass
class MachineSpec:
    """One machine as the estate file describes it; the README explains every field."""

    name: str
    edition: str
    build: int
    revision: int | None = None
    core: bool = False
    media: str = "volume"
    key: str | None = field(default=None, repr=False)
    licensed: bool = False
    licensed_minutes_left: int | None = None
    activated_by: str | None = None
    last_failure: int | None = None
    grace_minutes_left: int = 43200
    domain: str | None = None
    dns_suffix: str | None = None
    search_list: list[str] = field(default_factory=list)
    domain_controller: bool = False
    locale: str = "en-US"
    cmid: str | None = None
    address: str | None = None
    accounts: dict[str, dict[str, str]] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    vars: dict[str, Any] = field(default_factory=dict)
    power: bool = True
    reachable_1688: bool = True
    internet: bool = True
    dns: bool = True
    clock_offset_minutes: int = 0
    kms_server: str | None = None
    kms_port: int | None = None
    lookup_domain: str | None = None
    host_caching: bool = True
    dns_publishing: bool = True
    firewall: dict[str, Any] = field(default_factory=dict)
    firewall_on: bool = True
    patched: bool = True
    updates: list[str] | None = None
    tpm: TpmSpec | None = None
    time_zone: int = 0
    ad_object: str | None = None
    services: dict[str, dict[str, str]] = field(default_factory=dict)
    seed_cmids: int = 0
    rearms: int = 3
    app_rearms: int = 1001
    rearm_hides_products: bool = False
    token_licenses: list[dict[str, Any]] = field(default_factory=list)
    firmware_key: str | None = field(default=None, repr=False)
    sppsvc: str = "Stopped"
    registry: dict[str, dict[str, Any]] = field(default_factory=dict)
    extra_products: list[dict[str, Any]] = field(default_factory=list)
    subclassed: dict[str, str] = field(default_factory=dict)
    dns_server: DnsServerSpec | None = None
    office: list[str] = field(default_factory=list)
    office_media: str = "volume"
    office_keys: list[str] = field(default_factory=list, repr=False)
    office_licensed: bool = False
    office_packs: list[str] = field(default_factory=list)
    office_seed_cmids: int = 0


@dataclass
class KeySpec:
    """A product key of the organisation."""

    key: str = field(repr=False)
    channel: str
    group: str | None = None
    editions: list[str] = field(default_factory=list)
    activations: int | None = None
    hosts: int = 6
    blocked: bool = False


@dataclass
class GrantSpec:
    """Who may update what in a zone: a TSIG key by name."""

    key: str
    names: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)


@dataclass
class ZoneSpec:
    """A DNS zone; `host_updates` is none, any or owner."""

    name: str
    ttl: int = 3600
    records: list[str] = field(default_factory=list)
    update: list[GrantSpec] = field(default_factory=list)
    host_updates: str = "none"
    permission_first: bool = True


@dataclass
class TsigSpec:
    """A TSIG key; `collection: true` marks the one that the inventory hands to the collection."""

    name: str
    secret: str = field(repr=False)
    algorithm: str = "hmac-sha256"
    collection: bool = False


@dataclass
class DirectorySpec:
    """The forest's directory; without a URL the lab keeps the activation objects itself.

    `writers`: accounts of the machines that may make activation objects.
    """

    url: str | None = None
    bind_dn: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    base: str = ""
    writers: list[str] = field(default_factory=lambda: ["Administrator"])


@dataclass
class FleetSpec:
    """Many machines at once: `count` of them, dealt to the `kinds` by their `share`, always in the same order.

    A kind has the fields of a machine; a number may be a range [low, high], from which each machine gets its own.
    """

    count: int
    kinds: list[dict[str, Any]]
    name: str = "node-"


@dataclass
class EstateSpec:
    """A whole estate file."""

    name: str
    domain: str
    clock: str = "2026-03-02T08:00:00Z"
    seed: int = 1
    client_order: str = "rfc2782"
    count_survives_restart: bool = False
    keys: list[KeySpec] = field(default_factory=list)
    tsig_keys: list[TsigSpec] = field(default_factory=list)
    zones: list[ZoneSpec] = field(default_factory=list)
    directory: DirectorySpec | None = None
    group_vars: dict[str, dict[str, Any]] = field(default_factory=dict)
    machines: list[MachineSpec] = field(default_factory=list)


def read_estate(path: Path, *, fleet: int | None = None) -> EstateSpec:
    """Read and check an estate file; `fleet` is the number of machines in its fleet instead of the file's."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise EstateError(f"{path.name}: not YAML: {error}") from None
    return parse_estate(data, path.name, fleet=fleet)


def parse_estate(data: Any, origin: str = "estate", *, fleet: int | None = None) -> EstateSpec:
    """Check the parsed content of an estate file; `fleet` as in `read_estate`."""
    if not isinstance(data, Mapping):
        raise EstateError(f"{origin}: a mapping is expected")
    data = {"name": origin.rpartition(".")[0] or origin, **data}
    defaults = data.pop("defaults", {})
    entries = list(data.pop("machines", []))
    if fleet is not None and "fleet" not in data:
        raise EstateError(f"{origin}: it has no fleet")
    if "fleet" in data:
        crowd: FleetSpec = _make(FleetSpec, data.pop("fleet"), f"{origin}: fleet")
        entries += _fleet(crowd, crowd.count if fleet is None else fleet, f"{origin}: fleet")
    nested = {
        "keys": [_make(KeySpec, item, f"{origin}: keys[{i}]") for i, item in enumerate(data.pop("keys", []))],
        "tsig_keys": [
            _make(TsigSpec, item, f"{origin}: tsig_keys[{i}]") for i, item in enumerate(data.pop("tsig_keys", []))
        ],
        "zones": [_zone(item, f"{origin}: zones[{i}]") for i, item in enumerate(data.pop("zones", []))],
    }
    if data.get("directory") is not None:
        data["directory"] = _make(DirectorySpec, data["directory"], f"{origin}: directory")
    spec: EstateSpec = _make(EstateSpec, {**data, **nested}, origin)
    for entry in entries:
        for name in _expand(str(entry.get("name", ""))):
            where = f"{origin}: machine {name or '?'}"
            merged = {**defaults, **entry, "name": name}
            for mapping in ("accounts", "vars", "firewall", "registry"):
                if mapping in merged:
                    merged[mapping] = {**(defaults.get(mapping) or {}), **(entry.get(mapping) or {})}
            if merged.get("dns_server") is not None:
                merged["dns_server"] = _dns_server(merged["dns_server"], f"{where}: dns_server")
            if merged.get("tpm") is not None:
                merged["tpm"] = _make(TpmSpec, merged["tpm"], f"{where}: tpm")
            spec.machines.append(_make(MachineSpec, merged, where))
    _check(spec, origin)
    return spec


def _zone(item: Any, where: str) -> ZoneSpec:
    item = dict(item)
    item["update"] = [_make(GrantSpec, grant, f"{where}: update") for grant in item.get("update", [])]
    zone: ZoneSpec = _make(ZoneSpec, item, where)
    return zone


def _dns_server(item: Any, where: str) -> DnsServerSpec:
    server: DnsServerSpec = _make(DnsServerSpec, item, where)
    if not isinstance(server.zones, Mapping):
        raise EstateError(f"{where}: zones: a mapping of zone names is expected")
    made = {
        str(name).rstrip(".").lower(): _make(DnsServerZoneSpec, zone or {}, f"{where}: zones: {name}")
        for name, zone in server.zones.items()
    }
    return DnsServerSpec(made)


def _make(kind: type[Any], item: Any, where: str) -> Any:
    if not isinstance(item, Mapping):
        raise EstateError(f"{where}: a mapping is expected")
    known = {one.name: one for one in dataclasses.fields(kind)}
    unknown = sorted(set(item) - set(known))
    if unknown:
        raise EstateError(f"{where}: unknown field {', '.join(map(str, unknown))}; known: {', '.join(known)}")
    missing = [
        name
        for name, one in known.items()
        if name not in item and one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise EstateError(f"{where}: {', '.join(missing)} missing")
    return kind(**item)


def _expand(name: str) -> Iterator[str]:
    """`pc-[01:03]` -> pc-01, pc-02, pc-03, the range notation of Ansible inventories."""
    match = _RANGE.fullmatch(name)
    if not match:
        yield name
        return
    head, low, high, tail = match.groups()
    for number in range(int(low), int(high) + 1):
        yield f"{head}{number:0{len(low)}d}{tail}"


_INTEGERS = frozenset(one.name for one in dataclasses.fields(MachineSpec) if one.type in ("int", "int | None"))


def _fleet(fleet: FleetSpec, count: int, where: str) -> Iterator[dict[str, Any]]:
    """The entries of a fleet's machines.  Any first part of them has each kind by about its share."""
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise EstateError(f"{where}: count is a whole number")
    shares = [kind.get("share") if isinstance(kind, Mapping) else None for kind in fleet.kinds]
    if not shares or not all(isinstance(share, (int, float)) and share > 0 for share in shares):
        raise EstateError(f"{where}: each of the kinds has a share, a number above 0")
    weights = [float(share) / sum(map(float, filter(None, shares))) for share in shares if share]
    dealt = [0] * len(weights)
    for number in range(1, count + 1):
        chosen = max(range(len(weights)), key=lambda index: weights[index] * number - dealt[index])
        dealt[chosen] += 1
        kind = {name: value for name, value in fleet.kinds[chosen].items() if name != "share"}
        for name in _INTEGERS & kind.keys():
            if isinstance(kind[name], list):
                kind[name] = _from_range(kind[name], number, f"{where}: {name}")
        yield {**kind, "name": f"{fleet.name}{number:05d}"}


def _from_range(bounds: list[Any], number: int, where: str) -> int:
    if len(bounds) != 2 or not all(isinstance(bound, int) for bound in bounds) or bounds[0] > bounds[1]:
        raise EstateError(f"{where}: a range is [low, high]")
    # Steps of the golden ratio: spread evenly, however many machines there are.
    return int(bounds[0]) + int((number * 0.6180339887498949) % 1 * (bounds[1] - bounds[0] + 1))


def _served(spec: EstateSpec) -> Iterator[tuple[str, DnsServerZoneSpec]]:
    for machine in spec.machines:
        if machine.dns_server is not None:
            yield from machine.dns_server.zones.items()


def _check(spec: EstateSpec, origin: str) -> None:
    choices = {
        "client_order": ({spec.client_order}, {"rfc2782", "random"}),
        "host_updates": ({zone.host_updates for zone in spec.zones}, {"none", "any", "owner"}),
        "media": ({machine.media for machine in spec.machines}, {"volume", "retail", "none"}),
        "office_media": ({machine.office_media for machine in spec.machines}, {"volume", "none"}),
        "channel": ({key.channel for key in spec.keys}, {"csvlk", "mak", "retail", "gvlk"}),
        "sppsvc": ({machine.sppsvc for machine in spec.machines}, {"Running", "Stopped"}),
        "dns_server: type": ({zone.type for _ignored, zone in _served(spec)}, {"primary", "secondary"}),
    }
    for name, (used, allowed) in choices.items():
        if used - allowed:
            raise EstateError(
                f"{origin}: {name} is one of {', '.join(sorted(allowed))}, not {', '.join(used - allowed)}"
            )
    known = {zone.name.rstrip(".").lower() for zone in spec.zones}
    unknown = sorted({name for name, _ignored in _served(spec)} - known)
    if unknown:
        raise EstateError(f"{origin}: dns_server: {', '.join(unknown)} is not among the estate's zones")
    for number, key in enumerate(spec.keys):
        if not well_formed(key.key):
            raise EstateError(f"{origin}: keys[{number}]: not of the shape of a product key")
    names = [machine.name for machine in spec.machines]
    double = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) != len(names) else []
    if double:
        raise EstateError(f"{origin}: two machines are called {', '.join(double)}")
