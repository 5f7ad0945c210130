# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one machine holds: its edition, its licences and keys, its settings (in the registry), services and firewall.

A machine knows nothing of the network; who asks whom is in `kms.py`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import codes, office
from .catalogue import Catalogue, Edition, KmsGroup, Locale, Release, stable_guid
from .events import CLIENT_EVENTS_KEPT, EVENTS_KEPT, KMS_LOG, log_of
from .keys import CHANNELS, Key
from .licence_files import TokenLicense
from .rearm import Rearming
from .registry import SPP_KEY, TCPIP_KEY, WINDOWS_KEY, Data, Registry
from .spec import EstateError, MachineSpec

KMS_RULE = "SPPSVC-In-TCP"
KMS_COUNTERS = (
    "TotalRequests",
    "FailedRequests",
    "UnlicensedRequests",
    "LicensedRequests",
    "OOBGraceRequests",
    "OOTGraceRequests",
    "NonGenuineGraceRequests",
    "NotificationRequests",
)
#: What an estate file may say of a Windows service.
_SERVICE_VALUES = {"start_mode": ("Auto", "Manual", "Disabled"), "state": ("Running", "Stopped")}
#: Licences without a key that lie beside the edition's own ones on every machine.
_OTHER_CHANNELS = ("OEM_DM", "OEM_COA_NSLP", "OEM_SLP")


@dataclass(slots=True)
class License:
    """How far a product is licensed.  `basis`: none (no key), grace (not activated), kms, evaluation, permanent."""

    basis: str = "none"
    until: int = 0
    """Minute at which the grace period or the KMS licence ends."""
    reason: int | None = None
    """HRESULT of the last failed activation since then."""
    permanent_reason: int = 0

    def status(self, now: int) -> tuple[int, int, int]:
        """(LicenseStatus, LicenseStatusReason, GracePeriodRemaining) at this minute."""
        left = self.until - now
        if self.basis == "none":
            return 0, codes.NO_KEY, 0
        if self.basis == "permanent":
            return 1, self.permanent_reason, 0
        if self.basis == "kms":
            if left > 0:
                return 1, codes.LICENSED_VOLUME, left
            left += codes.GRACE
            if left > 0:
                return 3, self.reason or codes.IN_OOT_GRACE, left
        elif left > 0 and self.basis == "evaluation":
            return 1, self.permanent_reason, left
        elif left > 0:
            return 2, self.reason or codes.IN_OOB_GRACE, left
        return 5, self.reason or codes.GRACE_EXPIRED, 0


@dataclass(slots=True)
class Count:
    """What a KMS host remembers of the clients of one of its keys."""

    cache: dict[str, int] = field(default_factory=dict)
    """CMID -> minute of its last request."""
    asked: bool = False
    """Whether a request has come since the service started."""
    highest_threshold: int = 0
    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KMS_COUNTERS, 0))


@dataclass(slots=True)
class ClientState:
    """What a KMS client remembers: the discovered host, the intervals it was told, when it tries next."""

    discovered: tuple[str, int, str] | None = None
    """(name, port, address)"""
    last_host: str | None = None
    activation_interval: int = codes.ACTIVATION_INTERVAL
    renewal_interval: int = codes.RENEWAL_INTERVAL
    next_try: int | None = None


@dataclass(slots=True)
class Product:
    """One licence (SKU) on a machine; one Windows licence has a key, more only by the estate's extra_products."""

    id: str
    name: str
    description: str
    family: str
    channel: str
    application: str = codes.WINDOWS_APPLICATION
    addon: bool = False
    group: KmsGroup | None = None
    key: Key | None = None
    license: License = field(default_factory=License)
    host_pid: str | None = None
    activation_type: int | None = None
    ad_object: str | None = None
    """The activation object in Active Directory that activated it."""
    ad_values: dict[str, str] = field(default_factory=dict)
    """More properties of that activation."""
    lookup_domain: str | None = None
    rearms: int = 1001
    office: str | None = None
    """Of an Office licence: its product, or the group of its KMS host keys."""
    leftover: bool = False
    """It came with the estate file beside the edition's own licences; a new key does not take its key away."""
    count: Count = field(default_factory=Count)
    """Of an Office KMS host licence; that of the Windows one is in the machine's HostState."""
    client: ClientState = field(default_factory=ClientState)
    """Of an Office client licence; that of the Windows one is the machine's."""

    @property
    def channel_name(self) -> str | None:
        return CHANNELS[self.channel][1] if self.key else None


@dataclass(slots=True)
class Service:
    """A Windows service.  After a stop it shows `Stop Pending` for one read."""

    name: str
    display_name: str
    state: str = "Running"
    start_mode: str = "Auto"
    delayed: bool = False
    process_id: int = 0
    starts: int = 0
    on_start: Callable[[], None] | None = None

    def start(self) -> int:
        """StartService: 0, 10 when it is running or still stopping, 14 when disabled."""
        if self.start_mode == "Disabled":
            return 14
        if self.state != "Stopped":
            return 10
        self.state = "Running"
        self.starts += 1
        if self.on_start:
            self.on_start()
        return 0

    def stop(self) -> int:
        """StopService: 0, 5 when it does not run."""
        if self.state != "Running":
            return 5
        self.state = "Stop Pending"
        return 0

    def read_state(self) -> str:
        """The state as one read sees it; a stop that was pending is complete afterwards."""
        state = self.state
        if state == "Stop Pending":
            self.state = "Stopped"
        return state


@dataclass(slots=True)
class FirewallRule:
    """An inbound rule that allows one TCP port."""

    name: str
    display_name: str
    group: str
    enabled: bool
    port: int
    profiles: int = 3
    source_type: int = 1


@dataclass(slots=True)
class HostConfig:
    """The settings of a KMS host that take effect when its service starts."""

    port: int
    activation_interval: int
    renewal_interval: int
    publishing: bool
    domains: tuple[tuple[str, int, int], ...]


@dataclass(slots=True)
class HostState:
    """What a KMS host has in force and remembers; `count` is that of its Windows key."""

    config: HostConfig
    count: Count = field(default_factory=Count)
    published: dict[str, str] = field(default_factory=dict)
    """Zone -> the SRV data that this host registered there."""
    republish_at: int | None = None


class Machine:
    """One simulated machine.  `clock` gives the estate's minute; the machine's own clock may be off."""

    def __init__(self, spec: MachineSpec, catalogue: Catalogue, *, clock: Callable[[], int], address: str) -> None:
        self.spec = spec
        self.name = spec.name
        self.catalogue = catalogue
        self._clock = clock
        self.address = spec.address or address
        try:
            self.edition: Edition = catalogue.edition(spec.edition, spec.build)
        except LookupError as error:
            raise EstateError(f"machine {spec.name}: {error}") from None
        if spec.locale not in catalogue.locales:
            raise EstateError(f"machine {spec.name}: locale {spec.locale}; known: {', '.join(catalogue.locales)}")
        self.release: Release = catalogue.release(self.edition, spec.build)
        self.locale: Locale = catalogue.locales[spec.locale]
        # From Windows 10 on, the revision tells the updates; before, it is that of the licensing service alone.
        latest = catalogue.revisions.get(spec.build, 1) if spec.patched or spec.build < 10240 else 1
        self.revision = latest if spec.revision is None else spec.revision
        self.power = spec.power
        self.reachable_1688 = spec.reachable_1688
        self.internet = spec.internet
        self.dns = spec.dns
        self.patched = spec.patched
        self.listed_updates = spec.updates
        self.firewall_on = spec.firewall_on
        self.clock_offset = spec.clock_offset_minutes
        self.cmid = spec.cmid or stable_guid("cmid", spec.name)
        self.accounts = dict(spec.accounts)
        self.seed_cmids = spec.seed_cmids
        self.rearms = spec.rearms
        self.rearming = Rearming(spec.app_rearms, spec.rearm_hides_products)
        try:
            self.token_licenses = [TokenLicense.of(one, f"machine {spec.name}") for one in spec.token_licenses]
        except ValueError as error:
            raise EstateError(str(error)) from None
        self.license_installs: list[dict[str, Any]] = []
        self.host_caching = spec.host_caching
        self.lookup_domain = spec.lookup_domain
        self.activation_type = 0
        self.key_in_registry = False
        self.last_error: dict[str, str] | None = None
        self.events: deque[dict[str, Any]] = deque(maxlen=EVENTS_KEPT)
        self.event_records: Counter[str] = Counter()
        self.counters = {"key_installs": 0, "activation_attempts": 0, "activations_spent": 0, "license_refreshes": 0}
        self.grace_end = clock() + spec.grace_minutes_left
        self.registry = self._make_registry()
        self.products = self._make_products()
        self.services = self._make_services()
        self.firewall: dict[str, FirewallRule] = {}
        self._make_firewall()
        self.client = ClientState()
        self.host = HostState(self.host_config())

    # -- make-up ---------------------------------------------------------------------------------------------------

    @property
    def minute(self) -> int:
        """The true minute; licences run by it."""
        return self._clock()

    @property
    def own_clock(self) -> int:
        """The minute on this machine's own clock, which KMS requests carry."""
        return self._clock() + self.clock_offset

    @property
    def version(self) -> str:
        """Version as the licensing service reports it, such as 10.0.20348.2849."""
        return f"{self.kernel}.{self.spec.build}.{self.revision}"

    @property
    def kernel(self) -> str:
        return {7600: "6.1", 7601: "6.1", 9200: "6.2", 9600: "6.3"}.get(self.spec.build, "10.0")

    @property
    def sku(self) -> int:
        return self.edition.skus[-1 if self.spec.core else 0]

    @property
    def caption(self) -> str:
        title = self.locale.titles.get(self.edition.title, self.edition.title)
        return f"Microsoft {self.release.name} {title}"

    @property
    def domain(self) -> str | None:
        return self.spec.domain

    @property
    def dns_suffix(self) -> str | None:
        return self.spec.dns_suffix or self.spec.domain

    @property
    def fqdn(self) -> str:
        return f"{self.name}.{self.dns_suffix}" if self.dns_suffix else self.name

    def _make_registry(self) -> Registry:
        registry = Registry()
        spec = self.spec
        server = "Server Core" if spec.core else "Server"
        registry.fill(
            WINDOWS_KEY,
            {
                "EditionID": self.edition.edition_id,
                "ProductName": self.caption.removeprefix("Microsoft "),
                "CurrentBuild": str(spec.build),
                "CurrentBuildNumber": str(spec.build),
                "CurrentVersion": "6.3" if self.kernel == "10.0" else self.kernel,
                "InstallationType": server if self.edition.kind == "server" else "Client",
                "UBR": self.revision if self.kernel == "10.0" else None,
            },
        )
        registry.fill(
            TCPIP_KEY,
            {
                "Hostname": self.name,
                "Domain": self.dns_suffix or "",
                "NV Domain": self.dns_suffix or "",
                "SearchList": ",".join(spec.search_list),
            },
        )
        registry.fill(
            SPP_KEY,
            {
                "InactivityShutdownDelay": 30,
                "KeepRunningThresholdMins": 15,
                "VLActivationInterval": codes.ACTIVATION_INTERVAL,
                "VLRenewalInterval": codes.RENEWAL_INTERVAL,
                "KeyManagementServiceName": spec.kms_server,
                "KeyManagementServicePort": str(spec.kms_port) if spec.kms_port else None,
                "DisableDnsPublishing": None if spec.dns_publishing else 1,
            },
        )
        for path, values in spec.registry.items():
            registry.create_key(path)
            for name, data in values.items():
                registry.set(path, name, data)
        return registry

    def _make_products(self) -> list[Product]:
        edition, release = self.edition, self.release

        def product(token: str, channel: str, group: KmsGroup | None = None) -> Product:
            return Product(
                stable_guid("product", edition.kind, release.release, edition.edition_id, token),
                f"Windows(R), {edition.edition_id} edition",
                f"Windows(R) Operating System, {token} channel",
                edition.edition_id,
                channel,
                group=group,
            )

        channels = ["evaluation"] if edition.evaluation else ["gvlk", "mak", "retail"]
        rows = [product(CHANNELS[channel][0], channel) for channel in channels]
        rows += [product(group.description, "csvlk", group) for group in self.catalogue.hostable(edition, release)]
        rows += [product(token, "oem") for token in _OTHER_CHANNELS]
        if edition.kind == "server" and self.spec.build >= 9600:
            rows.append(product("VIRTUAL_MACHINE_ACTIVATION", "avma"))
        try:
            licences = office.machine_licences(
                self.spec.office, self.spec.office_packs, build=self.spec.build, release=release.release
            )
        except ValueError as error:
            raise EstateError(f"machine {self.name}: {error}") from None
        rows += [Product(group=office.groups().get(one["office"]), **one) for one in licences]
        for item in self.spec.extra_products:
            own = {"id": stable_guid("extra", str(item.get("name"))), "channel": "oem", "leftover": True, **item}
            text = own.pop("key", None)
            try:
                extra = Product(**own)
            except TypeError as error:
                raise EstateError(f"machine {self.name}: extra_products: {error}") from None
            if text is not None:
                if extra.channel not in CHANNELS:
                    raise EstateError(f"machine {self.name}: extra_products: a key needs a channel of {list(CHANNELS)}")
                extra.key, extra.license = Key(text, extra.channel), License("grace", self.grace_end)
            rows.append(extra)
        return sorted(rows, key=lambda row: row.id)

    def _make_services(self) -> dict[str, Service]:
        services = [
            Service("Dnscache", "DNS Client", process_id=1220),
            Service("EventLog", "Windows Event Log", process_id=1092),
            Service("mpssvc", "Windows Defender Firewall", process_id=1984),
            Service("sppsvc", self.locale.sppsvc, self.spec.sppsvc, delayed=True, process_id=4312),
            Service("W32Time", "Windows Time", process_id=1308),
            Service("WinRM", "Windows Remote Management (WS-Management)", process_id=2804),
        ]
        if self.spec.dns_server is not None:
            services.append(Service("DNS", "DNS Server", process_id=3160))
        made = {service.name.lower(): service for service in services}
        for name, wanted in self.spec.services.items():
            if name.lower() not in made:
                raise EstateError(f"machine {self.name}: services: no service {name}; services: {', '.join(made)}")
            for attribute, value in wanted.items():
                if value not in _SERVICE_VALUES.get(attribute, ()):
                    raise EstateError(f"machine {self.name}: services: {name}: {attribute}: {value} cannot be")
                setattr(made[name.lower()], attribute, value)
        return made

    def _make_firewall(self) -> None:
        rules = [
            FirewallRule(KMS_RULE, self.locale.rule, self.locale.group, False, codes.KMS_PORT),
            FirewallRule(
                "WINRM-HTTP-In-TCP",
                "Windows Remote Management (HTTP-In)",
                "Windows Remote Management",
                True,
                5985,
            ),
            FirewallRule(
                "RemoteDesktop-UserMode-In-TCP", "Remote Desktop - User Mode (TCP-In)", "Remote Desktop", True, 3389
            ),
        ]
        self.firewall = {rule.name: rule for rule in rules}
        try:
            self.set_firewall(self.spec.firewall)
        except ValueError as error:
            raise EstateError(f"machine {self.name}: {error}") from None

    def set_firewall(self, rules: Mapping[str, Any]) -> None:
        """Switch rules: {name: true}; {name: {"port": 1699, "enabled": true}} makes one that is not there yet."""
        for name, value in rules.items():
            wanted = value if isinstance(value, Mapping) else {"enabled": value}
            if name not in self.firewall:
                if not isinstance(wanted.get("port"), int):
                    raise ValueError(
                        f"no firewall rule {name}; rules: {', '.join(self.firewall)} (a new one has a port)"
                    )
                self.firewall[name] = FirewallRule(name, name, "", True, wanted["port"])
            if not isinstance(wanted.get("enabled", True), bool):
                raise ValueError(f"firewall rule {name}: enabled is true or false")
            self.firewall[name].enabled = wanted.get("enabled", True)

    # -- settings (kept in the registry) ---------------------------------------------------------------------------

    def setting(self, name: str, product: Product | None = None) -> Data | None:
        """A value of the licensing key, or of one product's subkey there."""
        return self.registry.get(_settings_key(product), name)

    def set_setting(self, name: str, data: Data | None, product: Product | None = None) -> None:
        self.registry.set(_settings_key(product), name, data)

    def number(self, name: str, default: int = 0, product: Product | None = None) -> int:
        """A numeric setting; ports are kept as text (REG_SZ)."""
        try:
            return int(self.setting(name, product) or default)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return default

    def fixed_host(self, product: Product | None) -> tuple[str, int] | None:
        """The KMS host that is set, the product's before the application's before the machine's; port 0 = default."""
        paths = [SPP_KEY]
        if product is not None:
            paths = [_settings_key(product), f"{SPP_KEY}\\{product.application}", SPP_KEY]
        for path in paths:
            name = self.registry.get(path, "KeyManagementServiceName")
            if name:
                port = self.registry.get(path, "KeyManagementServicePort")
                return str(name), int(port) if isinstance(port, (str, int)) and str(port).isdigit() else 0
        return None

    def host_config(self) -> HostConfig:
        """The KMS host settings as the registry has them now."""
        listed = self.setting("DnsDomainPublishList")
        domains: list[tuple[str, int, int]] = []
        for line in listed if isinstance(listed, list) else []:
            name, *numbers = (part.strip() for part in line.split(","))
            priority, weight = ([int(number) if number.isdigit() else 0 for number in numbers] + [0, 0])[:2]
            if name:
                domains.append((name, priority, weight))
        if not domains and self.dns_suffix:
            domains = [(self.dns_suffix, 0, 0)]
        return HostConfig(
            port=self.number("KeyManagementServiceListeningPort") or codes.KMS_PORT,
            activation_interval=self.number("VLActivationInterval", codes.ACTIVATION_INTERVAL),
            renewal_interval=self.number("VLRenewalInterval", codes.RENEWAL_INTERVAL),
            publishing=not self.number("DisableDnsPublishing"),
            domains=tuple(domains),
        )

    # -- licences --------------------------------------------------------------------------------------------------

    @property
    def keyed(self) -> list[Product]:
        return [product for product in self.products if product.key]

    @property
    def primary(self) -> Product | None:
        """The Windows licence that has the key."""
        return next((row for row in self.keyed if row.application == codes.WINDOWS_APPLICATION and not row.addon), None)

    @property
    def kms_product(self) -> Product | None:
        """The licence that makes this machine a KMS host, if it is activated."""
        row = self.primary
        return row if row and row.channel == "csvlk" and row.license.status(self.minute)[0] == 1 else None

    @property
    def kms_products(self) -> list[Product]:
        """The activated KMS host licences, of Windows and of Office."""
        keyed = [row for row in self.products if row.channel == "csvlk" and row.key]
        if not keyed:
            return []
        found = [row for row in keyed if row.application == codes.OFFICE_APPLICATION]
        windows = self.kms_product
        found = [row for row in found if row.license.status(self.minute)[0] == 1]
        return [windows, *found] if windows is not None else found

    @property
    def kms_clients(self) -> list[Product]:
        """The licences with a client setup key: the Windows one, and those of Office."""
        primary = self.primary
        rows = [primary] if primary else []
        rows += [row for row in self.keyed if row.application == codes.OFFICE_APPLICATION]
        return [row for row in rows if row.channel == "gvlk"]

    def count_of(self, row: Product) -> Count:
        return self.host.count if row.application == codes.WINDOWS_APPLICATION else row.count

    def client_of(self, row: Product | None) -> ClientState:
        return self.client if row is None or row.application == codes.WINDOWS_APPLICATION else row.client

    def threshold_of(self, row: Product) -> int:
        return self.edition.threshold if row.application == codes.WINDOWS_APPLICATION else office.THRESHOLD

    def product(self, product_id: str) -> Product | None:
        return next((row for row in self.products if row.id == product_id.lower()), None)

    def licence_for(self, key: Key) -> Product | None:
        """The licence of this machine that the key belongs to, None when there is none."""
        for row in self.products:
            if row.channel != key.channel or row.group is not key.group or row.leftover:
                continue
            if row.application == codes.OFFICE_APPLICATION and (key.group is not None or row.office in key.office):
                return row
            if row.application == codes.WINDOWS_APPLICATION and not key.office:
                return row if key.fits(self.edition, self.release, self.catalogue) else None
        return None

    def install(self, key: Key) -> Product | None:
        """Put a key on its licence; the key of another Windows licence goes, those of Office licences stay."""
        row = self.licence_for(key)
        if row is None:
            return None
        for other in self.keyed:
            both_windows = row.application == other.application == codes.WINDOWS_APPLICATION
            if both_windows and not other.addon and not other.leftover:
                self.remove_key(other)
        if row.key is not None and row.key.text != key.text:
            self.remove_key(row)
        row.key = key
        row.license = License("grace", self.grace_end)
        self.client_of(row).next_try = self.minute if key.channel == "gvlk" else None
        self.key_in_registry = True
        return row

    def add_product(self, **values: Any) -> None:
        """A licence that a licence file brings; it has no key."""
        row = Product(channel="oem", leftover=True, **values)
        self.products = sorted([*self.products, row], key=lambda one: one.id)

    def start_grace(self, row: Product) -> None:
        """A licence with a key is as on its first day."""
        row.license = License("grace", self.minute + codes.GRACE)
        row.host_pid = None
        row.activation_type = None
        if row is self.primary and row.channel == "gvlk":
            self.client.next_try = self.minute

    def remove_key(self, row: Product) -> None:
        row.key = None
        row.license = License()
        row.host_pid = None
        row.activation_type = None
        row.ad_object, row.ad_values = None, {}
        self.client_of(row).next_try = None

    def license_permanently(self, row: Product) -> None:
        reason = 0 if row.channel == "retail" else codes.LICENSED_VOLUME
        row.license = License("permanent", permanent_reason=reason)

    def product_key_id(self, row: Product) -> str | None:
        """The extended product ID of a keyed licence (invented, of the usual shape)."""
        if row.key is None:
            return None
        digits = int(hashlib.sha256(f"{self.name}/{row.id}/{row.key.partial}".encode()).hexdigest(), 16)
        group, serial = digits % 90000 + 10000, digits // 97 % 10**6
        return f"03612-{group}-000-{serial:06d}-03-{self.locale.lcid}-{self.spec.build}.0000-0602026"

    def installation_id(self, row: Product) -> str | None:
        if row.key is None:
            return None
        digits = int(hashlib.sha256(f"iid/{self.name}/{row.id}/{row.key.partial}".encode()).hexdigest(), 16)
        return f"{digits % 10**63:063d}"

    @property
    def sppsvc(self) -> Service:
        return self.services["sppsvc"]

    @property
    def updates(self) -> list[str]:
        """The updates that the machine lists: as the file says, else those that its release needs as a KMS host."""
        if self.listed_updates is not None:
            return self.listed_updates
        needed = self.catalogue.host_updates.get(self.release.release, {}) if self.patched else {}
        return sorted(set(needed.values()))

    def has_update(self, update: str) -> bool:
        """Whether it has an update or a later one."""
        return self.patched or update in self.updates

    def open_port(self, port: int) -> bool:
        """Whether the firewall lets an inbound TCP connection to this port through."""
        return not self.firewall_on or any(rule.enabled and rule.port == port for rule in self.firewall.values())

    def log(self, event: int, **details: Any) -> None:
        """Remember an event of the licensing service (the numbers are Windows' event IDs)."""
        self.keep({"event": event, "minute": self.own_clock, **details})
        # There are thousands of clients in an estate, and few hosts.
        if KMS_LOG not in self.event_records and len(self.events) > CLIENT_EVENTS_KEPT:
            self.events.popleft()

    def keep(self, event: dict[str, Any]) -> None:
        """Put an event into its log, where it gets the next record number."""
        log = log_of(event)
        self.event_records[log] += 1
        self.events.append({**event, "record": self.event_records[log]})


def _settings_key(product: Product | None) -> str:
    return SPP_KEY if product is None else f"{SPP_KEY}\\{product.application}\\{product.id}"
