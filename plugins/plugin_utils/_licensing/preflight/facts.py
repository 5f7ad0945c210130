# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what the findings are made of, and takes in what another machine told of itself.

A KMS host costs eight or nine requests and a client eight, one of them for the second page of the services:
SoftwareLicensingService, SoftwareLicensingProduct, Win32_OperatingSystem (with the clock), Win32_Service and the names
of the values of the licensing key in the registry on both; on a host the firewall rule and the revision of the build
(where there is none: the updates that matter, by name), and from Windows Server 2025 on the TPM; on a client the KMS
host of the application and the policy NoGenTicket.  SkipRearm and UserOperations cost one each where they are set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from ..._cim.envelope import wql_quote
from ..._cim.errors import CimFault, CimInvalidClass
from ..._cim.schema import CimClass
from ..._cim.session import CimSession
from ..errors import AmbiguousProduct, InvalidOption
from ..goals import edition_ids
from ..reading import FIREWALL_RULE, Reader, Scope, State
from ..state import (
    APPLICATIONS,
    DEFAULT_KMS_PORT,
    FIREWALL_RULE_CLASS,
    LICENSED,
    WINDOWS_SERVICE_CLASS,
    Product,
    Service,
    wmi,
)
from . import matrix

HOST, CLIENT = "host", "client"

SPP_KEY = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\SoftwareProtectionPlatform"
WINDOWS_KEY = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
POLICY_KEY = r"SOFTWARE\Policies\Microsoft\Windows NT\CurrentVersion\Software Protection Platform"
_HKEY_LOCAL_MACHINE = 2147483650
_NO_VALUE = (1, 2)
#: The build from which on Windows Server looks at the TPM of a KMS host (KMS hardware-secured hosts).
TPM_SINCE_BUILD = 26100
#: The first build with a revision in the registry that tells its cumulative updates.
_REVISION_SINCE_BUILD = 10240
_WORKSTATION = 1
_RULE_ENABLED = 1
_WINDOWS_WARNS_DAYS = 30
#: StartMode of a service that can't start.
DISABLED = "Disabled"

_T = TypeVar("_T")


@dataclass(frozen=True)
class AdProduct(Product):
    """A product with the activation object in Active Directory that activated it last."""

    ad_activation_object_name: str | None = field(default=None, metadata=wmi("ADActivationObjectName"))


# LocalDateTime carries its offset from UTC.  CSName is the computer name; ProductType 1 is a workstation.
_SYSTEM = CimClass(
    namespace="root/cimv2",
    name="Win32_OperatingSystem",
    fields={
        "BuildNumber": "string",
        "Caption": "string",
        "CSName": "string",
        "CurrentTimeZone": "sint16",
        "LocalDateTime": "datetime",
        "OperatingSystemSKU": "uint32",
        "ProductType": "uint32",
    },
    keys=("Name",),
)
_UPDATES = CimClass(
    namespace="root/cimv2",
    name="Win32_QuickFixEngineering",
    fields={"HotFixID": "string"},
    keys=("HotFixID",),
)
_TPM = CimClass(
    namespace="root/cimv2/Security/MicrosoftTpm",
    name="Win32_Tpm",
    fields={
        "IsActivated_InitialValue": "boolean",
        "IsEnabled_InitialValue": "boolean",
        "SpecVersion": "string",
    },
)
_REGISTRY = CimClass(
    namespace="root/default",
    name="StdRegProv",
    fields={},
    methods={
        "GetDWORDValue": {"uValue": "uint32"},
        "EnumValues": {"sNames": "string[]", "Types": "sint32[]"},
    },
)


@dataclass(frozen=True)
class Tpm:
    """The Trusted Platform Module as Windows sees it."""

    enabled: bool | None
    activated: bool | None
    spec_version: str | None

    @property
    def ready(self) -> bool:
        """Whether it is a TPM 2.0 that is switched on."""
        return bool(self.enabled and self.activated) and (self.spec_version or "").startswith("2.")

    def as_result(self) -> dict[str, Any]:
        return {"enabled": self.enabled, "activated": self.activated, "spec_version": self.spec_version}


@dataclass(frozen=True)
class Facts:
    """What is known of one machine.  None: it was not asked, has no such thing, or does not tell."""

    name: str
    role: str
    kind: str = matrix.SERVER
    release: str | None = None
    caption: str | None = None
    computer_name: str | None = None
    build: int | None = None
    revision: int | None = None
    editions: tuple[str, ...] = ()
    sku: int | None = None
    time: datetime | None = None
    clock_difference_seconds: int | None = None
    time_zone_minutes: int | None = None
    key_channel: str | None = None
    description: str | None = None
    status: str | None = None
    grace_minutes_remaining: int | None = None
    license_ends: datetime | None = None
    is_kms_host: bool = False
    licensed: bool = False
    kms_port: int = DEFAULT_KMS_PORT
    updates: tuple[str, ...] = ()
    services: Mapping[str, str] = field(default_factory=dict)
    firewall_rule: bool | None = None
    tpm: Tpm | None = None
    remaining_rearms: int | None = None
    skip_rearm: bool = False
    user_operations: bool = False
    no_gen_ticket: bool = False
    activation_type: str | None = None
    ad_activation_object: str | None = None
    product_kms_server: str | None = None
    application_kms_server: str | None = None
    machine_kms_server: str | None = None
    not_read: tuple[str, ...] = ()
    brief: bool = False
    """Only the licence was read, because it is activated."""

    @property
    def group(self) -> matrix.HostGroup | None:
        """The group of its KMS host key."""
        return matrix.group_of(self.description) if self.is_kms_host else None

    def as_result(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "role": self.role,
            "brief": self.brief,
            "kind": None if self.brief else self.kind,
            "release": self.release,
            "caption": self.caption,
            "computer_name": self.computer_name,
            "build": self.build,
            "revision": self.revision,
            "edition": self.editions[0] if self.editions else None,
            "operating_system_sku": self.sku,
            "time": _iso(self.time),
            "clock_difference_seconds": self.clock_difference_seconds,
            "time_zone_minutes": self.time_zone_minutes,
            "key_channel": self.key_channel,
            "description": self.description,
            "status": self.status,
            "grace_minutes_remaining": self.grace_minutes_remaining,
            "license_ends": _iso(self.license_ends),
            "is_kms_host": self.is_kms_host,
            "licensed": self.licensed,
            "csvlk_group": self.group.name if self.group else None,
            "kms_port": self.kms_port,
            "updates": list(self.updates),
            "services": dict(self.services),
            "firewall_rule": self.firewall_rule,
            "tpm": self.tpm.as_result() if self.tpm else None,
            "remaining_rearms": self.remaining_rearms,
            "skip_rearm": self.skip_rearm,
            "user_operations": self.user_operations,
            "no_gen_ticket": self.no_gen_ticket,
            "activation_type": self.activation_type,
            "ad_activation_object": self.ad_activation_object,
            "product_kms_server": self.product_kms_server,
            "application_kms_server": self.application_kms_server,
            "machine_kms_server": self.machine_kms_server,
        }


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(timezone.utc).replace(microsecond=0).isoformat() if moment else None


# --- another machine's ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class KmsHost:
    """A KMS host as a client's checks see it.  `known` is False where nothing but its name is."""

    name: str
    known: bool = True
    computer_name: str | None = None
    kind: str = matrix.SERVER
    release: str | None = None
    revision: int | None = None
    updates: tuple[str, ...] = ()
    group: matrix.HostGroup | None = None
    ready: bool | None = None
    """Whether it is an activated KMS host, None when that is not known."""
    clock_difference_seconds: int | None = None
    port: int = DEFAULT_KMS_PORT

    def answers_to(self, name: str) -> bool:
        """Whether a name may be this host's.  A short name and a full one are the same when their first labels are."""
        wanted = name.rstrip(".").lower()
        own = {one.rstrip(".").lower() for one in (self.name, self.computer_name) if one}
        if wanted in own:
            return True
        return any(
            one.partition(".")[0] == wanted.partition(".")[0] for one in own if "." not in one or "." not in wanted
        )

    @classmethod
    def of(cls, item: Any) -> KmsHost:
        """From a result of this module, its `facts`, or a few facts by hand; InvalidOption says what is wrong."""
        facts = item.get("facts", item) if isinstance(item, Mapping) else None
        name = facts.get("name") if isinstance(facts, Mapping) else None
        if not isinstance(facts, Mapping) or not isinstance(name, str) or not name:
            raise InvalidOption(
                "kms_hosts",
                "an element has no name",
                remedy="Give results of winops.kms.preflight_info with role: host, or dictionaries with at least name",
            )
        build, revision, difference, port = (
            _number(facts, key) for key in ("build", "revision", "clock_difference_seconds", "kms_port")
        )
        kind = matrix.CLIENT if facts.get("kind") == matrix.CLIENT else matrix.SERVER
        editions = [str(facts["edition"])] if facts.get("edition") else []
        described = facts.get("csvlk_group") or facts.get("description")
        group = matrix.group_named(facts.get("csvlk_group")) or matrix.group_of(facts.get("description"))
        ready = facts.get("is_kms_host")
        if isinstance(ready, bool):
            ready = ready and facts.get("licensed") is not False
        return cls(
            name=name,
            known=build is not None or bool(facts.get("release")) or bool(described),
            computer_name=facts.get("computer_name"),
            kind=kind,
            release=facts.get("release") or matrix.release_of(build=build, kind=kind, editions=editions),
            revision=revision,
            updates=tuple(str(one) for one in facts.get("updates") or ()),
            group=group,
            ready=ready if isinstance(ready, bool) else None,
            clock_difference_seconds=difference,
            port=port or DEFAULT_KMS_PORT,
        )


def _number(facts: Mapping[str, Any], key: str) -> int | None:
    value = facts.get(key)
    if value is None or value == "":
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        raise InvalidOption("kms_hosts", f"{key} of {facts.get('name')} is not a number") from None


# --- this machine's -------------------------------------------------------------------------------------------------


def read_facts(
    session: CimSession,
    scope: Scope,
    *,
    role: str,
    name: str | None = None,
    skip_licensed: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> Facts:
    """Read a machine.  `name` is how findings call it (default: its computer name); `now` is the controller's clock.

    skip_licensed: of a machine whose activation lasts for more than 30 days, read no more than that.
    """
    return _Machine(session, scope, role, now).read(name, skip_licensed=skip_licensed)


class _Machine:
    def __init__(self, session: CimSession, scope: Scope, role: str, now: Callable[[], datetime]) -> None:
        self._session, self._scope, self._role, self._now = session, scope, role, now
        self._not_read: list[str] = []

    def read(self, name: str | None, *, skip_licensed: bool) -> Facts:
        services: dict[str, str] | None = None
        try:
            state = Reader(self._session, self._scope, product_type=AdProduct).read()
        except CimFault:
            # With its service disabled, Windows answers nothing about licences; the finding is worth more than this.
            services = self._optional("the start modes of services", self._services) or {}
            if services.get("sppsvc") != DISABLED:
                raise
            state = State(self._scope, Service(), ())
        product = _product(state)
        if skip_licensed and product is not None and _lasts(product):
            return Facts(
                name=name or "this machine",
                role=self._role,
                brief=True,
                build=state.service.build,
                editions=_windows_editions(state, product),
                remaining_rearms=state.service.remaining_windows_rearms,
                machine_kms_server=state.service.kms_server,
                **_of_product(product),
            )
        asked_at = self._now()
        system: dict[str, Any] = self._optional("the operating system", self._system) or dict.fromkeys(_SYSTEM.fields)
        midway = asked_at + (self._now() - asked_at) / 2
        time = _aware(system["LocalDateTime"])
        build = int(system["BuildNumber"]) if str(system["BuildNumber"]).isdigit() else state.service.build
        kind = matrix.CLIENT if system["ProductType"] == _WORKSTATION else matrix.SERVER
        editions = _windows_editions(state, product)
        release = matrix.release_of(build=build, kind=kind, editions=editions)
        values = self._optional("the registry", self._spp_values) or ()
        revision = self._revision(build) if self._role == HOST else None
        minutes = product.grace_minutes_remaining if product else None
        return Facts(
            name=name or str(system["CSName"] or "this machine"),
            role=self._role,
            kind=kind,
            release=release,
            caption=system["Caption"],
            computer_name=system["CSName"],
            build=build,
            revision=revision,
            editions=editions,
            sku=system["OperatingSystemSKU"],
            time=time,
            clock_difference_seconds=round((time - midway).total_seconds()) if time else None,
            time_zone_minutes=system["CurrentTimeZone"],
            # By the controller's clock: that of the machine may be wrong, what is left of the licence is not.
            license_ends=midway + timedelta(minutes=minutes) if minutes else None,
            kms_port=state.service.listening_port or DEFAULT_KMS_PORT,
            updates=self._updates(release, revision) if self._role == HOST else (),
            services=services or self._optional("the start modes of services", self._services) or {},
            firewall_rule=self._optional("the firewall rule", self._firewall) if self._role == HOST else None,
            tpm=self._optional("the TPM", self._tpm) if self._looks_at_tpm(build, kind) else None,
            remaining_rearms=state.service.remaining_windows_rearms,
            skip_rearm="skiprearm" in values and self._number(SPP_KEY, "SkipRearm") == 1,
            user_operations="useroperations" in values and self._number(SPP_KEY, "UserOperations") == 1,
            no_gen_ticket=self._role == CLIENT and self._number(POLICY_KEY, "NoGenTicket") == 1,
            application_kms_server=self._application_server() if self._role == CLIENT else None,
            machine_kms_server=state.service.kms_server,
            not_read=tuple(self._not_read),
            **_of_product(product),
        )

    def _optional(self, what: str, read: Callable[[], _T]) -> _T | None:
        """What not every Windows has or every account may read: trouble with it is none of the task."""
        try:
            return read()
        except CimInvalidClass:
            return None
        except CimFault:
            self._not_read.append(what)
            return None

    def _system(self) -> dict[str, Any]:
        found = self._session.query(_SYSTEM, list(_SYSTEM.fields))
        return {name: found[0].get(name) for name in _SYSTEM.fields} if found else {}

    def _services(self) -> dict[str, str]:
        names = " OR ".join(f"Name={wql_quote(name)}" for name in ("sppsvc", "W32Time"))
        found = self._session.query(WINDOWS_SERVICE_CLASS, ["Name", "StartMode"], names)
        return {str(one["Name"]): str(one.get("StartMode") or "") for one in found}

    def _firewall(self) -> bool | None:
        found = self._session.query(
            FIREWALL_RULE_CLASS, ["InstanceID", "Enabled"], f"InstanceID={wql_quote(FIREWALL_RULE)}"
        )
        return any(one.get("Enabled") == _RULE_ENABLED for one in found) if found else None

    def _looks_at_tpm(self, build: int | None, kind: str) -> bool:
        return self._role == HOST and kind == matrix.SERVER and (build or 0) >= TPM_SINCE_BUILD

    def _tpm(self) -> Tpm | None:
        found = self._session.query(_TPM, list(_TPM.fields))
        if not found:
            return None
        one = found[0]
        return Tpm(one.get("IsEnabled_InitialValue"), one.get("IsActivated_InitialValue"), one.get("SpecVersion"))

    def _revision(self, build: int | None) -> int | None:
        return self._number(WINDOWS_KEY, "UBR") if (build or 0) >= _REVISION_SINCE_BUILD else None

    def _updates(self, release: str | None, revision: int | None) -> tuple[str, ...]:
        """Those of the table that the machine lists; not asked for where the revision tells all."""
        told = sorted({one.name for one in matrix.needed(release) if one.revision is None or revision is None})
        if not told:
            return ()
        where = " OR ".join(f"HotFixID={wql_quote(name)}" for name in told)
        found = self._optional("the installed updates", lambda: self._session.query(_UPDATES, ["HotFixID"], where))
        return tuple(sorted({str(one["HotFixID"]) for one in found or ()}))

    def _spp_values(self) -> frozenset[str]:
        answer = self._registry("EnumValues", SPP_KEY)
        return frozenset(str(name).lower() for name in answer.get("sNames") or ())

    def _number(self, key: str, name: str) -> int | None:
        answer = self._optional(f"the registry value {name}", lambda: self._registry("GetDWORDValue", key, name))
        value = (answer or {}).get("uValue")
        return value if isinstance(value, int) else None

    def _application_server(self) -> str | None:
        key = f"{SPP_KEY}\\{APPLICATIONS[self._scope.application]}"
        answer = self._optional(
            "the KMS host of the application",
            lambda: self._registry("GetStringValue", key, "KeyManagementServiceName"),
        )
        return (answer or {}).get("sValue") or None

    def _registry(self, method: str, key: str, name: str | None = None) -> Mapping[str, Any]:
        return self._session.invoke(
            _REGISTRY,
            method,
            accept=(0, *_NO_VALUE),
            writes=False,
            hDefKey=_HKEY_LOCAL_MACHINE,
            sSubKeyName=key,
            sValueName=name,
        )


def _product(state: State) -> Product | None:
    """The product that is meant; of several, one that KMS is about: what is found does not depend on which it is."""
    try:
        return state.product
    except AmbiguousProduct:
        return min(state.products, key=lambda item: item.key_channel not in ("csvlk", "gvlk"))


def _windows_editions(state: State, product: Product | None) -> tuple[str, ...]:
    """EditionIDs of Windows; a product of Office tells nothing of them."""
    if state.scope.application != "windows" or product is None:
        return ()
    return edition_ids(product)


def _lasts(product: Product) -> bool:
    """Whether it is activated for good, or for longer than the 30 days from which on Windows warns."""
    days = product.days_remaining
    return product.status_code == LICENSED and (days is None or days > _WINDOWS_WARNS_DAYS)


def _of_product(product: Product | None) -> dict[str, Any]:
    if product is None:
        return {}
    return {
        "key_channel": product.key_channel,
        "description": product.description,
        "status": product.status,
        "grace_minutes_remaining": product.grace_minutes_remaining,
        "is_kms_host": product.key_channel == "csvlk",
        "licensed": product.status_code == LICENSED,
        "activation_type": product.activation_type,
        "ad_activation_object": _ad_object(product),
        "product_kms_server": product.kms_server,
    }


def _ad_object(product: Product | None) -> str | None:
    if not isinstance(product, AdProduct) or product.last_activation_type_code != 1:
        return None
    return product.ad_activation_object_name


def _aware(moment: Any) -> datetime | None:
    if not isinstance(moment, datetime):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
