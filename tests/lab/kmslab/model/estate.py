# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The estate: all machines, their keys, DNS and clock, loaded from one file."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import heapq
import ipaddress
import random
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dns.exception
import dns.name
import dns.rdatatype
import dns.tsig

from ..cim import MachineView, WmiError
from ..dns import DnsServer, Grant, Record, Zone, build_zone
from . import codes, directory, events, kms, office
from .catalogue import Catalogue
from .keys import EVALUATION_MEDIA_KEY, RETAIL_MEDIA_KEY, Key, KeyBook
from .machine import ClientState, License, Machine, Product
from .rearm import restart
from .registry import SPP_KEY
from .spec import EstateError, EstateSpec, ZoneSpec, parse_estate, read_estate

_FIRST_ADDRESS = ipaddress.IPv4Address("198.18.0.10")  # RFC 2544 test network
_TIME_STAMP_EPOCH = datetime.datetime(1601, 1, 1, tzinfo=datetime.timezone.utc)
_AUTOMATIC_TRIES_WITHOUT_CHANGE = codes.MINUTES_PER_DAY
_EVENTS_SHOWN = 50


class Estate:
    """A simulated estate.

    `view` gives the machine to the WS-Management endpoint; the other methods serve the control API.  Everything that
    changes or reads machines holds `lock`, because an activation on one machine changes another.
    """

    def __init__(self, spec: EstateSpec) -> None:
        self.spec = spec
        self.lock = threading.RLock()
        self.catalogue = Catalogue.load()
        self.minute = 0
        self._dns_keys = {
            machine.name: dns.tsig.Key(f"{machine.name}.machine.", secrets.token_bytes(32), dns.tsig.HMAC_SHA256)
            for machine in spec.machines
        }
        self.dns = DnsServer(hour=self._hour)
        self._build()

    @classmethod
    def load(cls, path: str | Path, *, fleet: int | None = None) -> Estate:
        """Read an estate file; EstateError says what is wrong with it.  `fleet`: so many machines in its fleet."""
        return cls(read_estate(Path(path), fleet=fleet))

    @classmethod
    def from_data(cls, data: Mapping[str, Any], *, fleet: int | None = None) -> Estate:
        """The same from parsed YAML."""
        return cls(parse_estate(data, fleet=fleet))

    # -- building --------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        spec = dataclasses.replace(self.spec)
        self.minute = 0
        self._real_time = str(spec.clock) == "now"
        if self._real_time:
            spec.clock = datetime.datetime.now(datetime.timezone.utc).isoformat()
        try:
            self._epoch = datetime.datetime.fromisoformat(str(spec.clock).replace("Z", "+00:00"))
        except ValueError:
            raise EstateError(f"{spec.name}: clock: {spec.clock!r} is not an ISO 8601 time") from None
        if self._epoch.tzinfo is None:
            self._epoch = self._epoch.replace(tzinfo=datetime.timezone.utc)
        self.keys = KeyBook(self.catalogue, [self._key(key) for key in spec.keys])
        self.machines = {
            machine.name: Machine(
                machine, self.catalogue, clock=lambda: self.minute, address=str(_FIRST_ADDRESS + number)
            )
            for number, machine in enumerate(spec.machines)
        }
        by_address = {machine.address: machine for machine in self.machines.values()}
        self.network = kms.Network(
            by_address=by_address,
            dns_port=lambda: self.dns_port,
            dns_keys=self._dns_keys,
            rng=random.Random(spec.seed),
            client_order=spec.client_order,
            count_survives_restart=spec.count_survives_restart,
            by_directory=lambda machine, product: directory.activate_client(self.forest, self.keys, machine, product),
        )
        self.forest = directory.make_forest(spec.directory, spec.domain)
        for machine in self.machines.values():
            self._prepare(machine)
            self._prepare_office(machine)
        for machine in self.machines.values():
            self._remember_host(machine)
            if machine.primary is not None:
                machine.primary.license.reason = machine.spec.last_failure
        self.dns.configure([self._zone(zone) for zone in spec.zones], self._tsig_keys())
        self._views: dict[str, Mapping[tuple[str, str], Any]] = {}
        self._running = False

    def _key(self, spec: Any) -> Key:
        groups = {**self.catalogue.groups, **office.groups()}
        if spec.channel == "csvlk" and spec.group not in groups:
            raise EstateError(f"a host key's group is one of {', '.join(groups)}, not {spec.group!r}")
        for_office = frozenset(spec.editions) & set(office.products())
        default = {"csvlk": 10, "mak": 50}.get(spec.channel)
        return Key(
            spec.key,
            spec.channel,
            group=groups[spec.group] if spec.group else None,
            edition_ids=frozenset(spec.editions) - for_office,
            office=for_office,
            activations=default if spec.activations is None else spec.activations,
            hosts=spec.hosts,
            blocked=spec.blocked,
        )

    def _prepare(self, machine: Machine) -> None:
        """Install the key that the machine comes with, and license it when the file says so."""
        machine.sppsvc.on_start = lambda: kms.service_started(self.network, machine)
        text = machine.spec.key
        if text is None and machine.spec.media != "none":
            text = machine.edition.gvlk if machine.spec.media == "volume" else RETAIL_MEDIA_KEY
            text = EVALUATION_MEDIA_KEY if machine.edition.evaluation else text
        if text is None:
            return
        key = self.keys.find(text)
        if key is None or not key.fits(machine.edition, machine.release, self.catalogue):
            raise EstateError(
                f"machine {machine.name}: its key does not exist in this estate or is for another edition"
            )
        product = machine.install(key)
        if product is None:
            raise EstateError(f"machine {machine.name}: it has no licence that its key is for")
        if key.channel == "evaluation":
            product.license = License("evaluation", codes.EVALUATION)
            return
        if machine.spec.ad_object and key.channel == "gvlk":
            product.license = License("kms", codes.KMS_VALIDITY)
            product.activation_type, product.ad_object = 1, machine.spec.ad_object
            return
        if not machine.spec.licensed:
            return
        if key.channel == "gvlk":
            left = machine.spec.licensed_minutes_left
            product.license = License("kms", codes.KMS_VALIDITY if left is None else left)
            product.activation_type = 2
            machine.client.next_try = codes.RENEWAL_INTERVAL
            return
        key.spend(machine.name)
        machine.license_permanently(product)
        if key.channel == "csvlk":
            kms.host_becomes_ready(machine)

    def _remember_host(self, machine: Machine) -> None:
        """What a client knows of the KMS host that has activated it before the start."""
        name = machine.spec.activated_by
        if name is None:
            return
        host = self.machines.get(name)
        if host is None:
            raise EstateError(f"machine {machine.name}: activated_by: there is no machine {name}")
        for row in machine.kms_clients:
            if row.license.basis != "kms":
                continue
            client = machine.client_of(row)
            client.last_host = host.name
            if machine.fixed_host(row) is None:
                client.discovered = (host.fqdn, codes.KMS_PORT, host.address)
            licence = next(
                (one for one in host.keyed if one.channel == "csvlk" and one.application == row.application), None
            )
            row.host_pid = host.product_key_id(licence) if licence else None

    def _prepare_office(self, machine: Machine) -> None:
        """Install the keys of Office that the machine comes with; `office_licensed` activates them."""
        spec = machine.spec
        texts = [office.products()[name].gvlk for name in spec.office] if spec.office_media == "volume" else []
        for text in [*texts, *spec.office_keys]:
            key = self.keys.find(text)
            row = machine.install(key) if key is not None and (key.office or key.group) else None
            if key is None or row is None or row.application != codes.OFFICE_APPLICATION:
                raise EstateError(
                    f"machine {machine.name}: office_keys: a key does not exist in this estate or is for no Office "
                    "product of the machine"
                )
            if not spec.office_licensed:
                continue
            if key.channel == "gvlk":
                row.license, row.activation_type = License("kms", codes.KMS_VALIDITY), 2
                row.client.next_try = codes.RENEWAL_INTERVAL
                continue
            key.spend(machine.name)
            machine.license_permanently(row)

    def _tsig_keys(self) -> list[dns.tsig.Key]:
        return [
            *(dns.tsig.Key(key.name, key.secret, key.algorithm) for key in self.spec.tsig_keys),
            *self._dns_keys.values(),
        ]

    def _zone(self, spec: ZoneSpec) -> Zone:
        origin = dns.name.from_text(spec.name)
        records = [_record(line, spec) for line in spec.records]
        suffix = spec.name.rstrip(".").lower()
        for machine in self.machines.values():
            if machine.dns_suffix and machine.dns_suffix.lower() == suffix:
                kind = "AAAA" if ":" in machine.address else "A"
                records.append(Record(f"{machine.fqdn}.", kind, spec.ttl, machine.address))
        grants = [
            Grant(
                dns.name.from_text(grant.key),
                frozenset(dns.name.from_text(name, origin) for name in grant.names),
                frozenset(dns.rdatatype.from_text(kind) for kind in grant.types),
            )
            for grant in spec.update
        ]
        if spec.host_updates != "none":
            name = dns.name.from_text("_vlmcs._tcp", origin)
            grants += [
                Grant(key.name, frozenset({name}), frozenset({dns.rdatatype.SRV}), owner=spec.host_updates == "owner")
                for key in self._dns_keys.values()
            ]
        served = [
            machine.spec.dns_server.zones[suffix]
            for machine in self.machines.values()
            if machine.spec.dns_server is not None and suffix in machine.spec.dns_server.zones
        ]
        return build_zone(
            spec.name,
            records,
            ttl=spec.ttl,
            grants=grants,
            permission_first=spec.permission_first,
            stamped=bool(served),
            aging=any(zone.aging for zone in served),
        )

    # -- running ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the DNS server; KMS hosts whose service runs publish themselves."""
        self.dns.start()
        with self.lock:
            for machine in self.machines.values():
                if machine.kms_products and machine.sppsvc.state == "Running":
                    kms.publish(self.network, machine)

    def stop(self) -> None:
        self.dns.stop()

    def reset(self) -> None:
        """Everything as it was after loading; the DNS server keeps its port."""
        with self.lock:
            self._build()
            if self.dns.port:
                self.start()

    @property
    def dns_port(self) -> int:
        return self.dns.port

    @property
    def dns_addresses(self) -> tuple[str, ...]:
        """The loopback addresses on which the DNS server listens."""
        return self.dns.addresses

    # -- what the endpoint uses ------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        return list(self.machines)

    def view(self, name: str) -> MachineView | None:
        """The machine as the endpoint sees it, or None when there is none of this name."""
        machine = self.machines.get(name)
        if machine is None:
            return None
        with self.lock:
            if name not in self._views:
                from ..providers import build_providers

                self._views[name] = build_providers(self, machine)
        accounts = {
            user: (str(one.get("password", "")), str(one.get("rights", "full")))
            for user, one in machine.accounts.items()
        }
        return MachineView(
            name,
            accounts,
            self._views[name],
            locale=machine.locale.tag,
            powered=machine.power,
            subclassed=machine.spec.subclassed,
        )

    def now(self, machine: Machine | None = None) -> datetime.datetime:
        """The simulated time (of one machine's clock)."""
        epoch = datetime.datetime.now(datetime.timezone.utc) if self._real_time else self._epoch
        return epoch + datetime.timedelta(minutes=machine.own_clock if machine else self.minute)

    def _hour(self) -> int:
        """The simulated time in hours since 1601, as DNS servers of Windows count it."""
        return (self.now() - _TIME_STAMP_EPOCH) // datetime.timedelta(hours=1)

    # -- what the control API uses ---------------------------------------------------------------------------------

    def describe(self, name: str) -> dict[str, Any]:
        """Everything about one machine, JSON-able; KeyError for an unknown name.  Keys appear as five characters."""
        with self.lock:
            return _describe(self.machines[name])

    def keys_spent(self) -> dict[str, dict[str, int]]:
        """Last five characters of each counted key -> {machine: activations spent}."""
        with self.lock:
            return self.keys.spent()

    def patch(self, name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change a machine from outside (see the README for the fields); the machine's new description."""
        with self.lock:
            machine = self.machines[name]
            unknown = sorted(set(changes) - set(_PATCHES))
            if unknown:
                raise ValueError(f"cannot set {', '.join(unknown)}; can set: {', '.join(sorted(_PATCHES))}")
            for field, value in changes.items():
                _PATCHES[field](machine, value)
            return _describe(machine)

    def advance(self, minutes: int) -> None:
        """Let time pass: clients renew and retry by themselves, hosts publish anew, licences and grace run down."""
        if minutes < 0:
            raise ValueError("time does not run backwards")
        with self.lock:
            self.network.dns_cache = {}
            try:
                self._advance(minutes)
            finally:
                self.network.dns_cache = None

    def _advance(self, minutes: int) -> None:
        end = self.minute + minutes
        queue = [(when, name) for name, machine in self.machines.items() for when in _due(machine)]
        heapq.heapify(queue)
        failed: dict[str, int] = {}
        while queue and queue[0][0] <= end:
            when, name = heapq.heappop(queue)
            self.minute = max(self.minute, when)
            machine = self.machines[name]
            self._tick(machine, failed)
            for later in _due(machine):
                if later > self.minute and (later, name) not in queue:
                    heapq.heappush(queue, (later, name))
        self.minute = end
        if minutes:
            for machine in self.machines.values():
                if machine.sppsvc.state != "Stopped" and not machine.kms_products:
                    machine.sppsvc.state = "Stopped"  # it stops when idle

    def _tick(self, machine: Machine, failed: dict[str, int]) -> None:
        host = machine.host
        if host.republish_at is not None and host.republish_at <= self.minute:
            host.republish_at = self.minute + codes.DNS_REPUBLISH
            if machine.power and machine.kms_products and machine.sppsvc.state == "Running":
                kms.publish(self.network, machine)
        self._try_again(machine, machine.primary, machine.client, failed)
        for product in machine.products:
            if product.application == codes.OFFICE_APPLICATION:
                self._try_again(machine, product, product.client, failed)

    def _try_again(
        self, machine: Machine, product: Product | None, client: ClientState, failed: dict[str, int]
    ) -> None:
        """A KMS client's own attempt to activate or renew, when it is due."""
        if client.next_try is None or client.next_try > self.minute:
            return
        if not machine.power or product is None or product.key is None or product.channel != "gvlk":
            client.next_try = self.minute + codes.MINUTES_PER_DAY if product else None
            return
        name = f"{machine.name} {product.id}"
        try:
            kms.activate_client(self.network, machine, product)
            failed.pop(name, None)
        except WmiError:
            # A client that fails again and again tries every two hours; the lab does so once a day to stay quick.
            failed[name] = failed.get(name, 0) + 1
            if failed[name] > 12:
                client.next_try = self.minute + _AUTOMATIC_TRIES_WITHOUT_CHANGE

    # -- DNS -------------------------------------------------------------------------------------------------------

    def zone_records(self, zone: str) -> list[dict[str, Any]]:
        """The records of a zone: name, type, ttl, data; SRV records also priority, weight, port, target.

        In a zone of a Windows DNS server also timestamp: hours since 1601, 0 for a static record.
        """
        return [_record_json(record) for record in self.dns.records(zone)]

    def put_zone_records(self, zone: str, records: Iterable[Mapping[str, Any]] | Mapping[str, Any]) -> None:
        """Replace all records of a zone but SOA and NS; entries as `zone_records` gives them (SRV by data or parts).

        A mapping with `records` does as well as the list.  KeyError for another zone, ValueError for a bad record.
        """
        entries = records.get("records", ()) if isinstance(records, Mapping) else records
        try:
            wanted = [_record_from_json(record) for record in entries]
            self.dns.zone(zone)
            self.dns.replace_records(zone, wanted)
        except (TypeError, AttributeError, dns.exception.DNSException) as error:
            raise ValueError(f"a record needs name, type and data (or an SRV record's parts): {error}") from None

    def zone_spec(self, name: str) -> ZoneSpec:
        """What the estate file says of a zone; KeyError for another one."""
        for zone in self.spec.zones:
            if zone.name.rstrip(".").lower() == name.rstrip(".").lower():
                return zone
        raise KeyError(f"no zone {name}")

    def zone_names(self) -> list[str]:
        return self.dns.zone_names()

    # -- inventory -------------------------------------------------------------------------------------------------

    def inventory_vars(self) -> dict[str, dict[str, Any]]:
        """Variables for the inventory: `all` -> variables of every host, and one entry per machine with its own.

        A machine's entry holds ansible_user and ansible_password of its first account with full rights.
        """
        collection = next((key for key in self.spec.tsig_keys if key.collection), None)
        everywhere: dict[str, Any] = {"lab_dns_server": "127.0.0.1", "lab_dns_port": self.dns_port}
        if self.spec.zones:
            everywhere["lab_dns_zone"] = self.spec.zones[0].name
        if collection:
            everywhere["lab_tsig_key_name"] = collection.name
            everywhere["lab_tsig_key_secret"] = collection.secret
            everywhere["lab_tsig_algorithm"] = collection.algorithm
        result = {"all": everywhere}
        for machine in self.machines.values():
            own: dict[str, Any] = {}
            for user, account in machine.accounts.items():
                if account.get("rights", "full") == "full":
                    own = {"ansible_user": user, "ansible_password": account.get("password", "")}
                    break
            result[machine.name] = {**own, **machine.spec.vars}
        return result

    def groups(self) -> dict[str, dict[str, Any]]:
        """Inventory groups: name -> {"hosts": [machine names], "vars": {...}}."""
        result: dict[str, dict[str, Any]] = {
            "kms_hosts": {"hosts": [], "vars": {}},
            "kms_clients": {"hosts": [], "vars": {}},
        }
        for machine in self.machines.values():
            for group in machine.spec.groups:
                result.setdefault(group, {"hosts": [], "vars": {}})["hosts"].append(machine.name)
        for group, variables in self.spec.group_vars.items():
            result.setdefault(group, {"hosts": [], "vars": {}})["vars"] = copy.deepcopy(variables)
        return result


def _due(machine: Machine) -> Iterator[int]:
    if machine.client.next_try is not None:
        yield machine.client.next_try
    for product in machine.products:
        if product.client.next_try is not None:
            yield product.client.next_try
    if machine.host.republish_at is not None:
        yield machine.host.republish_at


# -- records ---------------------------------------------------------------------------------------------------------


def _record(line: str, zone: ZoneSpec) -> Record:
    """`name TYPE data` or `name ttl TYPE data`; names are relative to the zone, @ is the zone itself."""
    name, second, *rest = line.split()
    ttl = zone.ttl
    if second.isdigit():
        ttl, second, rest = int(second), rest[0], rest[1:]
    if not rest:
        raise EstateError(f"zone {zone.name}: record {line!r}: name, type and data are expected")
    return Record(name, second.upper(), ttl, " ".join(rest))


def _record_json(record: Record) -> dict[str, Any]:
    result: dict[str, Any] = {"name": record.name, "type": record.type, "ttl": record.ttl, "data": record.data}
    if record.type == "SRV":
        priority, weight, port, target = record.data.split()
        result |= {"priority": int(priority), "weight": int(weight), "port": int(port), "target": target}
    if record.timestamp is not None:
        result["timestamp"] = record.timestamp
    return result


def _record_from_json(record: Mapping[str, Any]) -> Record:
    if "name" not in record or "type" not in record or ("data" not in record and "target" not in record):
        raise ValueError("a record needs name, type and data (or an SRV record's parts)")
    data = record.get("data")
    if data is None and record["type"] == "SRV":
        numbers = f"{record.get('priority', 0)} {record.get('weight', 0)} {record.get('port', codes.KMS_PORT)}"
        data = f"{numbers} {record['target']}"
    stamp = record.get("timestamp")
    ttl = int(record.get("ttl", 3600))
    return Record(record["name"], record["type"], ttl, str(data), None if stamp is None else int(stamp))


# -- describe and patch ----------------------------------------------------------------------------------------------


def _describe(machine: Machine) -> dict[str, Any]:
    row = machine.primary
    status, reason, left = row.license.status(machine.minute) if row else (0, codes.NO_KEY, 0)
    host_row = kms.counting(machine)
    fixed = machine.fixed_host(row)
    return {
        "name": machine.name,
        "fqdn": machine.fqdn,
        "address": machine.address,
        "edition": machine.edition.edition_id,
        "build": machine.spec.build,
        "version": machine.version,
        "family": machine.edition.kind,
        "release": machine.release.release,
        "caption": machine.caption,
        "locale": machine.locale.tag,
        "cmid": machine.cmid,
        "threshold": machine.edition.threshold,
        "channel": row.channel_name if row else None,
        "partial_product_key": row.key.partial if row and row.key else None,
        "status": codes.STATUS_WORDS[status],
        "status_code": status,
        "status_reason": f"0x{reason:08X}",
        "grace_minutes_remaining": left,
        "days_left": -(-left // codes.MINUTES_PER_DAY),
        "kms_host": machine.client.last_host if row and row.channel == "gvlk" and status in (1, 3) else None,
        "last_error": machine.last_error,
        "products": [_describe_product(machine, product) for product in machine.products],
        "settings": {
            "kms_server": fixed[0] if fixed else None,
            "kms_port": fixed[1] if fixed else machine.number("KeyManagementServicePort"),
            "lookup_domain": machine.lookup_domain,
            "host_caching": machine.host_caching,
            "activation_type": machine.activation_type,
            "activation_interval": machine.client.activation_interval,
            "renewal_interval": machine.client.renewal_interval,
            "discovered": machine.client.discovered[0] if machine.client.discovered else None,
        },
        "host": {
            "is_kms_host": host_row is not None,
            "current_count": _number(kms.current_count(machine, kms.counting(machine))),
            "required_count": _number(kms.required_count(machine, kms.counting(machine))),
            "listening_port": machine.number("KeyManagementServiceListeningPort"),
            "effective_port": machine.host.config.port,
            "activation_interval": machine.number("VLActivationInterval", codes.ACTIVATION_INTERVAL),
            "renewal_interval": machine.number("VLRenewalInterval", codes.RENEWAL_INTERVAL),
            "dns_publishing": not machine.number("DisableDnsPublishing"),
            "publish_domains": machine.setting("DnsDomainPublishList"),
            "low_priority": bool(machine.number("EnableKmsLowPriority")),
            "restart_pending": host_row is not None and machine.host.config != machine.host_config(),
            "counters": dict(machine.host.count.counters),
            "published": dict(machine.host.published),
        },
        "firewall": {rule.name: rule.enabled for rule in machine.firewall.values()},
        "firewall_on": machine.firewall_on,
        "registry": {name: data for name, (_type, data) in machine.registry.values(SPP_KEY).items()},
        "sppsvc": {
            "state": machine.sppsvc.state,
            "start_mode": machine.sppsvc.start_mode,
            "restarts": machine.sppsvc.starts,
        },
        "counters": dict(machine.counters),
        "rearms": machine.rearms,
        "rearm_waiting": sorted(machine.rearming.waiting),
        "token_licenses": [{"ilid": one.ilid, "ilvid": one.ilvid} for one in machine.token_licenses],
        "license_installs": [dict(one) for one in machine.license_installs],
        "key_in_registry": machine.key_in_registry,
        "power": machine.power,
        "reachable_1688": machine.reachable_1688,
        "internet": machine.internet,
        "clock_offset_minutes": machine.clock_offset,
        "patched": machine.patched,
        "updates": list(machine.updates),
        "events": [dict(event) for event in list(machine.events)[-_EVENTS_SHOWN:]],
    }


def _number(value: int) -> int | None:
    return None if value == codes.NONE_UINT32 else value


def _describe_product(machine: Machine, product: Product) -> dict[str, Any]:
    status, reason, left = product.license.status(machine.minute)
    fixed = machine.setting("KeyManagementServiceName", product)
    return {
        "id": product.id,
        "name": product.name,
        "description": product.description,
        "application": product.application,
        "family": product.family,
        "channel": product.channel_name,
        "partial_product_key": product.key.partial if product.key else None,
        "status": codes.STATUS_WORDS[status],
        "status_code": status,
        "status_reason": f"0x{reason:08X}",
        "grace_minutes_remaining": left,
        "kms_server": fixed,
        "kms_port": machine.number("KeyManagementServicePort", product=product),
        "lookup_domain": product.lookup_domain,
        "rearms": product.rearms,
        "app_rearms": machine.rearming.left(product.application),
        "activation_type": machine.number("VLActivationType", product=product),
        "kms_host": machine.client_of(product).last_host,
        "current_count": _number(kms.current_count(machine, product)),
        "requests": dict(machine.count_of(product).counters) if product in machine.kms_products else None,
    }


def _attribute(name: str, kind: type) -> Any:
    def change(machine: Machine, value: Any) -> None:
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ValueError(f"{name}: {kind.__name__} is expected")
        setattr(machine, name, value)

    return change


def _patch_firewall(machine: Machine, value: Mapping[str, Any]) -> None:
    machine.set_firewall(value)


def _patch_service(machine: Machine, value: Mapping[str, Any]) -> None:
    if "start_mode" in value:
        machine.sppsvc.start_mode = value["start_mode"]
    state = value.get("state")
    if state == "Stopped":
        machine.sppsvc.state = "Stopped"
    elif state == "Running":
        machine.sppsvc.start()


def _patch_services(machine: Machine, value: Mapping[str, Mapping[str, Any]]) -> None:
    """{"W32Time": {"start_mode": "Disabled", "state": "Stopped"}}"""
    for name, wanted in value.items():
        service = machine.services.get(name.lower())
        if service is None:
            raise ValueError(f"no service {name}; services: {', '.join(machine.services)}")
        service.start_mode = wanted.get("start_mode", service.start_mode)
        service.state = wanted.get("state", service.state)


def _patch_registry(machine: Machine, value: Mapping[str, Any]) -> None:
    """{"KeyManagementServiceName": "x"} in the licensing key, {"SOFTWARE\\...": {...}} elsewhere; null removes."""
    for name, data in value.items():
        if isinstance(data, Mapping):
            for inner, item in data.items():
                machine.registry.set(name, inner, item)
        else:
            machine.set_setting(name, data)


def _patch_licensed(machine: Machine, value: Any) -> None:
    """true: licensed as its channel is; false: not activated, in what is left of the grace period."""
    row = machine.primary
    if row is None:
        raise ValueError("licensed: the machine has no key")
    if not value:
        row.license = License("grace", machine.grace_end)
    elif row.channel == "gvlk":
        row.license = License("kms", machine.minute + codes.KMS_VALIDITY)
    else:
        machine.license_permanently(row)


def _patch_minutes_left(machine: Machine, value: int) -> None:
    """What is left of the grace period, or of the KMS licence."""
    row = machine.primary
    if row is None or row.license.basis == "kms":
        if row is None:
            raise ValueError("grace_minutes_left: the machine has no key")
        row.license.until = machine.minute + value
        return
    machine.grace_end = machine.minute + value
    if row.license.basis == "grace":
        row.license.until = machine.grace_end


def _patch_text_setting(name: str) -> Any:
    def change(machine: Machine, value: Any) -> None:
        machine.set_setting(name, None if value is None else str(value))

    return change


_PATCHES: dict[str, Any] = {
    "power": _attribute("power", bool),
    "reachable_1688": _attribute("reachable_1688", bool),
    "internet": _attribute("internet", bool),
    "dns": _attribute("dns", bool),
    "patched": _attribute("patched", bool),
    "updates": _attribute("listed_updates", list),
    "services": _patch_services,
    "firewall_on": _attribute("firewall_on", bool),
    "host_caching": _attribute("host_caching", bool),
    "cmid": _attribute("cmid", str),
    "rearms": _attribute("rearms", int),
    "rearm_hides_products": lambda machine, value: setattr(machine.rearming, "hides_products", bool(value)),
    "restart": lambda machine, value: restart(machine) if value else None,
    "seed_cmids": _attribute("seed_cmids", int),
    "clock_offset_minutes": _attribute("clock_offset", int),
    "lookup_domain": lambda machine, value: setattr(machine, "lookup_domain", value),
    "accounts": lambda machine, value: machine.accounts.update(value),
    "firewall": _patch_firewall,
    "sppsvc": _patch_service,
    "registry": _patch_registry,
    "licensed": _patch_licensed,
    "grace_minutes_left": _patch_minutes_left,
    "kms_server": _patch_text_setting("KeyManagementServiceName"),
    "kms_port": _patch_text_setting("KeyManagementServicePort"),
    "add_events": events.add_events,
}
