# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What slmgr.vbs prints for /dli, /dlv and /xpr, from the instances that WMI shows.

Which lines there are, and in which order, is known from the script of Windows 7 and that of Windows 8.1 and later.
Values are written as VBScript does it: an unsigned number of 32 bits as a signed one, NULL as nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..cim import Instance, MachineView, Value
from .texts import format_moment, say

WINDOWS = "55c92734-d682-4d71-983e-d6ec3f16059f"
DEFAULT_PORT = 1688
_NEVER = 1601
_NON_GENUINE, _EXPIRED = 0xC004F200, 0xC004F009
_DAY = 24 * 60

# (text, property), in the order of the output.
_IDS = (
    ("activation_id", "ID"),
    ("application_id", "ApplicationID"),
    ("extended_pid", "ProductKeyID"),
    ("channel", "ProductKeyChannel"),
    ("installation_id", "OfflineInstallationId"),
)
_URLS = (
    ("processor_url", "ProcessorURL"),
    ("machine_url", "MachineURL"),
    ("use_license_url", "UseLicenseURL"),
    ("product_key_url", "ProductKeyURL"),
    ("validation_url", "ValidationURL"),
)
_REQUESTS = (
    ("requests_total", "Total"),
    ("requests_failed", "Failed"),
    ("requests_0", "Unlicensed"),
    ("requests_1", "Licensed"),
    ("requests_2", "OOBGrace"),
    ("requests_3", "OOTGrace"),
    ("requests_4", "NonGenuineGrace"),
    ("requests_5", "Notification"),
)
_DIRECTORY = (
    ("ad_name", "ADActivationObjectName"),
    ("ad_dn", "ADActivationObjectDN"),
    ("ad_pid", "ADActivationCsvlkPid"),
    ("ad_sku", "ADActivationCsvlkSkuId"),
)


def _number(value: Value) -> int:
    return value if isinstance(value, int) else 0


def _shown(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value - 2**32 if value >= 2**31 else value)
    return str(value)


@dataclass(frozen=True)
class _Page:
    """One run of the script on one machine."""

    view: MachineView
    verbose: bool = False

    def rows(self, class_name: str) -> Sequence[Instance]:
        provider = self.view.providers.get(("root/cimv2", class_name.lower()))
        return list(provider.instances()) if provider is not None else ()

    @property
    def modern(self) -> bool:
        """Whether this is the script of Windows 8 and later."""
        provider = self.view.providers.get(("root/cimv2", "softwarelicensingproduct"))
        return provider is not None and any(
            item.name == "VLActivationTypeEnabled" for item in provider.cim_class.fields
        )

    def line(self, key: str, value: Value = None, **values: object) -> str:
        return say(key, self.view.locale, value=_shown(value), **values)

    def now(self) -> datetime:
        """The machine's own local time."""
        for row in self.rows("Win32_OperatingSystem"):
            moment = row.get("LocalDateTime")
            if isinstance(moment, datetime):
                return moment
        raise LookupError("the machine has no clock")

    def moment(self, value: datetime) -> str:
        return format_moment(value.astimezone(self.now().tzinfo), self.view.locale)

    def time_left(self, key: str, minutes: int) -> str:
        # Windows 7 rounds down, its successors up.
        days = -(-minutes // _DAY) if self.modern else minutes // _DAY
        return self.line(key, minutes=minutes, days=days)


def report(view: MachineView, wanted: str, *, verbose: bool) -> list[str]:
    """The lines of /dli (or, verbose, /dlv) for a product's activation ID, for `all` or (empty) for Windows.

    Raises WmiError where reading WMI does.
    """
    page = _Page(view, verbose)
    wanted = wanted.lower()
    [service] = page.rows("SoftwareLicensingService")
    lines = [page.line("service_version", service["Version"])] if verbose else []
    found = False
    for product in page.rows("SoftwareLicensingProduct"):
        identifier = str(product["ID"]).lower()
        if wanted == "all" or wanted == identifier or (not wanted and _is_windows(product)):
            found = True
            lines += ["", *_product(page, service, product)]
            if wanted == identifier:
                break
            lines.append("")
    return lines if found else [*lines, page.line("no_key")]


def expiry(view: MachineView, wanted: str) -> list[str]:
    """The lines of /xpr.  Raises WmiError where reading WMI does."""
    page = _Page(view)
    wanted = wanted.lower()
    lines: list[str] = []
    for product in page.rows("SoftwareLicensingProduct"):
        mine = str(product["ID"]).lower() == wanted if wanted else _application(product) == WINDOWS
        if not product["PartialProductKey"] or not mine:
            continue
        minutes = _number(product["GracePeriodRemaining"])
        ends = format_moment(page.now() + timedelta(minutes=minutes), view.locale)
        lines += [f"{product['Name']}:", page.line(_expiry_key(product, minutes), ends)]
    return lines or [page.line("no_key")]


def failure(view: MachineView, hresult: int) -> list[str]:
    """The lines for an error that WMI reports."""
    return [say("error", view.locale, value=f"{hresult:08X}")]


def _application(product: Instance) -> str:
    return str(product["ApplicationID"]).lower()


def _is_windows(product: Instance) -> bool:
    """What is shown without an ID: Windows itself, and add-ons with a key of whatever application."""
    return bool(product["PartialProductKey"]) and (_application(product) == WINDOWS or bool(product["LicenseIsAddon"]))


def _is_client(product: Instance) -> bool:
    return "VOLUME_KMSCLIENT" in str(product["Description"])


def _is_timebased(product: Instance) -> bool:
    return "TIMEBASED_" in str(product["Description"])


def _expiry_key(product: Instance, minutes: int) -> str:
    if product["LicenseStatus"] != 1:
        return f"xpr_{product['LicenseStatus']}"
    if not minutes:
        return "xpr_forever"
    return "xpr_timebased" if _is_timebased(product) else "xpr_volume"


def _product(page: _Page, service: Instance, product: Instance) -> Iterator[str]:
    yield page.line("name", product["Name"])
    yield page.line("description", product["Description"])
    if product["TokenActivationAdditionalInfo"]:
        yield page.line("additional_info", product["TokenActivationAdditionalInfo"])
    if page.verbose:
        yield from _identity(page, product)
    if product["PartialProductKey"]:
        yield page.line("partial_key", product["PartialProductKey"])
    else:
        yield page.line("not_in_use")
    yield from _status(page, product)
    if page.verbose:
        yield from _dates(page, service, product)
    if _is_client(product):
        yield from _client(page, service, product)
    elif product["IsKeyManagementServiceMachine"] == 1:
        yield from _host(page, service, product)


def _identity(page: _Page, product: Instance) -> Iterator[str]:
    for key, name in _IDS:
        if name in product:
            yield page.line(key, product[name])
    if not _is_client(product):
        for key, name in _URLS:
            # Windows 7 prints the name also where there is no address.
            if name in product and (product[name] or not page.modern):
                yield page.line(key, product[name])


def _status(page: _Page, product: Instance) -> Iterator[str]:
    status, minutes = _number(product["LicenseStatus"]), _number(product["GracePeriodRemaining"])
    yield page.line(f"status_{status}")
    if status == 1 and minutes:
        yield page.time_left("expires_timebased" if _is_timebased(product) else "expires_volume", minutes)
    elif status == 5:
        reason = _number(product["LicenseStatusReason"])
        key = {_NON_GENUINE: "reason_non_genuine", _EXPIRED: "reason_expired"}.get(reason, "reason")
        yield page.line(key, f"{reason:X}")
    elif status > 1:
        yield page.time_left("remaining", minutes)


def _dates(page: _Page, service: Instance, product: Instance) -> Iterator[str]:
    end, trusted = product["EvaluationEndDate"], product["TrustedTime"]
    if product["LicenseStatus"] and isinstance(end, datetime) and end.year > _NEVER:
        yield page.line("evaluation_end", page.moment(end))
    if _application(product) == WINDOWS or not page.modern:
        yield page.line("windows_rearms", service["RemainingWindowsReArmCount"])
    else:
        yield page.line("app_rearms", product["RemainingAppReArmCount"])
    if page.modern:
        yield page.line("sku_rearms", product["RemainingSkuReArmCount"])
    if isinstance(trusted, datetime) and trusted.year > _NEVER:
        yield page.line("trusted_time", page.moment(trusted))


def _client(page: _Page, service: Instance, product: Instance) -> Iterator[str]:
    if page.modern:
        yield page.line(f"type_{_number(product['VLActivationTypeEnabled'])}")
    if page.modern and product["VLActivationType"] == 1:
        yield from ("", page.line("most_recent"), page.line("ad"))
        for key, name in _DIRECTORY:
            yield page.line(key, product[name])
        return
    if product["LicenseStatus"] != 1:
        yield page.line("activate_first")
        return
    yield ""
    if page.modern:
        yield page.line("most_recent")
    yield page.line("client")
    yield page.line("cmid", service["ClientMachineID"])
    fixed, domain = _fixed(service, product), _lookup_domain(service, product)
    yield from _server(page, product, fixed, domain)
    yield page.line("host_pid", product["KeyManagementServiceProductKeyID"])
    yield page.line("activation_interval", product["VLActivationInterval"])
    yield page.line("renewal_interval", product["VLRenewalInterval"])
    yield page.line("caching_on" if service["KeyManagementServiceHostCaching"] else "caching_off")
    if fixed and domain:
        yield from ("", page.line("fixed_wins", fixed))


def _server(page: _Page, product: Instance, fixed: str, domain: Value) -> Iterator[str]:
    """The KMS host that a client is told or has found."""
    if domain:
        yield page.line("lookup_domain", domain)
    name, port = (product[f"DiscoveredKeyManagementServiceMachine{part}"] for part in ("Name", "Port"))
    if fixed:
        yield page.line("fixed_host", fixed)
    elif name and port:
        yield page.line("dns_host", f"{name}:{port}")
    else:
        yield page.line("no_dns_host")
    if page.modern:
        address = product["DiscoveredKeyManagementServiceMachineIpAddress"]
        yield page.line("host_address" if address else "no_host_address", address)


# The script asks the product alone, and yet shows what was set for the whole machine.  The lab's row of a product has
# only what was set for the product, so here the machine's setting is looked up too.


def _fixed(service: Instance, product: Instance) -> str:
    """The KMS host that is set, with its port: the product's, else the machine's; empty where none is."""
    for row in (product, service):
        if row["KeyManagementServiceMachine"]:
            port = _number(row.get("KeyManagementServicePort")) or DEFAULT_PORT
            return f"{row['KeyManagementServiceMachine']}:{port}"
    return ""


def _lookup_domain(service: Instance, product: Instance) -> Value:
    return product.get("KeyManagementServiceLookupDomain") or service.get("KeyManagementServiceLookupDomain")


def _host(page: _Page, service: Instance, product: Instance) -> Iterator[str]:
    yield from ("", page.line("host"))
    yield page.line("count", product["KeyManagementServiceCurrentCount"])
    yield page.line("port", _number(service["KeyManagementServiceListeningPort"]) or DEFAULT_PORT)
    yield page.line("publishing_on" if service["KeyManagementServiceDnsPublishing"] else "publishing_off")
    yield page.line("priority_low" if service["KeyManagementServiceLowPriority"] else "priority_normal")
    yield from ("", page.line("requests"))
    for key, name in _REQUESTS:
        yield page.line(key, product[f"KeyManagementService{name}Requests"])


#: Switch of slmgr.vbs (in lower case, without its slash) -> what it prints, given an activation ID or nothing.
SWITCHES: dict[str, Callable[[MachineView, str], list[str]]] = {
    "dli": lambda view, wanted: report(view, wanted, verbose=False),
    "dlv": lambda view, wanted: report(view, wanted, verbose=True),
    "xpr": expiry,
}
