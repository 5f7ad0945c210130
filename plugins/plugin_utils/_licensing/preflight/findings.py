# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in the way of KMS.  Every judgement is a row of `RULES`, which the documentation is tested against.

Numbers: KMS refuses a request when the clocks differ by more than four hours (0xC004F06C); Kerberos does so from five
minutes on, by default.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import NamedTuple

from ..editions import AZURE_REMEDY, EVALUATION_REMEDY, is_azure_edition, is_evaluation
from ..state import DEFAULT_KMS_PORT
from . import matrix
from .facts import CLIENT, DISABLED, HOST, Facts, KmsHost

ERROR, WARNING, INFO, NONE = "error", "warning", "info", "none"
# Worst first.
SEVERITIES = (ERROR, WARNING, INFO)

CLOCK_TOLERANCE = 4 * 60 * 60
CLOCK_WARNING = 60 * 60
CLOCK_OF_KERBEROS = 5 * 60
#: A licence or grace period that ends within this time is a finding.
SOON = timedelta(days=3)
#: The KMS host of Azure, to which machines there are pointed.
AZURE_KMS = ("azkms.core.windows.net", "kms.core.windows.net")
#: Channels of keys with which a machine asks no KMS host.
_NO_CLIENT = ("csvlk", "mak")


class Rule(NamedTuple):
    """severity: error when activation fails because of it, warning when it can, info otherwise.  meaning: for the
    documentation.  message, remedy: filled in with {subject}, the machine that it is about, and {detail}."""

    severity: str
    meaning: str
    message: str
    remedy: str


_SET_CLOCK = (
    "Correct time and time zone of the machine (and of the controller, if it is that one), and have it synchronised: "
    "w32tm /resync, or the time service of its hypervisor"
)
_HOW_TO_CHECK = (
    "Install the latest cumulative update or monthly rollup there, or see in its update history whether one of that "
    "date or later is installed; then the finding can be ignored"
)

RULES: dict[str, Rule] = {
    # both roles
    "evaluation_edition": Rule(
        ERROR,
        "The edition is an evaluation edition, which takes no volume licence key.",
        "{subject} has an evaluation edition ({detail}), which takes no volume licence key.",
        EVALUATION_REMEDY + ".",
    ),
    "sppsvc_disabled": Rule(
        ERROR,
        "The Software Protection service (sppsvc) is disabled.",
        "The service sppsvc of {subject} is disabled; nothing can be installed or activated.",
        "Set its start mode to Automatic, as Windows has it (sc.exe config sppsvc start= delayed-auto), or take back "
        "the policy that disables it.",
    ),
    "clock_wrong": Rule(
        ERROR,
        "The clock differs from that of the controller by more than four hours, which KMS does not accept.",
        "The clock of {subject} is {detail} that of the controller. KMS accepts four hours.",
        _SET_CLOCK + ".",
    ),
    "clock_unsynchronised": Rule(
        ERROR,
        "The Windows Time service is disabled, and the clock differs by more than five minutes.",
        "The service W32Time of {subject} is disabled, and its clock is {detail} that of the controller.",
        "Set its start mode back to Manual or Automatic and start it, then w32tm /resync.",
    ),
    "clock_differs": Rule(
        WARNING,
        "The clock differs from that of the controller by more than an hour.",
        "The clock of {subject} is {detail} that of the controller.",
        _SET_CLOCK + ".",
    ),
    "clock_kerberos": Rule(
        INFO,
        "The clock differs from that of the controller by more than five minutes, which Kerberos does not accept.",
        "The clock of {subject} is {detail} that of the controller. KMS accepts it, Kerberos by default does not.",
        _SET_CLOCK + ".",
    ),
    "time_service_disabled": Rule(
        WARNING,
        "The Windows Time service (W32Time) is disabled. The clock is right, now.",
        "The service W32Time of {subject} is disabled, so that Windows does not keep its clock right.",
        "Set its start mode back to Manual or Automatic, unless the hypervisor keeps the time.",
    ),
    "grace_ends_soon": Rule(
        WARNING,
        "The licence or the grace period ends within three days.",
        "{subject}: {detail}.",
        "Activate it before then. Windows itself shows the end in the local time of the machine.",
    ),
    "skip_rearm": Rule(
        WARNING,
        "SkipRearm is 1, which makes copies of the machine share a client machine ID, so that they count as one.",
        "SkipRearm of {subject} is 1: a rearm does nothing, and machines made from the same image share a client "
        "machine ID, which a KMS host counts once.",
        "Set SkipRearm below SoftwareProtectionPlatform in the registry to 0, also in the answer file of the image; "
        "then rearm the machines with the same ID (the module rearm does it) and restart them.",
    ),
    "user_operations": Rule(
        WARNING,
        "UserOperations is 1: users who are no administrators may install keys, activate and rearm.",
        "UserOperations of {subject} is 1, so that standard users may change its product key and rearm it.",
        "Delete UserOperations below SoftwareProtectionPlatform in the registry, unless it is meant so.",
    ),
    "no_rearms_left": Rule(
        INFO,
        "Windows can't be rearmed any more.",
        "{subject} has no rearm left.",
        "This matters only when its client machine ID or its grace period has to be made anew; then Windows has to be "
        "installed again.",
    ),
    "not_read": Rule(
        INFO,
        "Something could not be read, so that nothing is said about it.",
        "Of {subject} could not be read: {detail}.",
        "Use an account that is an administrator of the machine.",
    ),
    # KMS hosts
    "azure_edition": Rule(
        ERROR,
        "Windows Server Datacenter: Azure Edition can't be a KMS host.",
        "{subject} has Datacenter: Azure Edition ({detail}), which can't be a KMS host.",
        AZURE_REMEDY + ".",
    ),
    "client_os_host": Rule(
        WARNING,
        "A KMS host on a client Windows activates no servers.",
        "{subject} runs {detail}; a KMS host on a client Windows activates client Windows only.",
        "Choose a Windows Server, unless there are no servers to activate.",
    ),
    "no_host_key_for_release": Rule(
        WARNING,
        "Microsoft names no KMS host key that could be installed on this Windows.",
        "Microsoft names no KMS host key that could be installed on {detail}, as {subject} has it.",
        "Choose another machine for the KMS host.",
    ),
    "updates_missing": Rule(
        WARNING,
        "The KMS host lacks an update without which it does not activate newer Windows.",
        "{subject} does not activate {detail}.",
        "Install the latest cumulative update there before such machines ask it.",
    ),
    "updates_unknown": Rule(
        INFO,
        "Whether the KMS host has an update (or a later one) that it needs to activate newer Windows can't be told.",
        "Whether {subject} activates {detail}, can't be told from here.",
        _HOW_TO_CHECK + ".",
    ),
    "firewall_closed": Rule(
        WARNING,
        "The firewall rule for KMS is not enabled.",
        "The firewall rule SPPSVC-In-TCP of {subject} is disabled; clients reach it only if another rule opens TCP "
        "1688 or the firewall is off.",
        "Enable it: winops.kms.host with firewall.",
    ),
    "firewall_other_port": Rule(
        INFO,
        "The port is another than 1688, for which the firewall rule of Windows is not.",
        "{subject} uses TCP port {detail}, which the firewall rule of Windows (SPPSVC-In-TCP, TCP 1688) does not open.",
        "Make a rule of your own for this port; winops.kms.discovery_info tells from a client network whether it is "
        "open.",
    ),
    "tpm_not_ready": Rule(
        INFO,
        "The TPM is not a TPM 2.0 that is enabled and activated, as KMS hosts of a coming Windows Server want it.",
        "The TPM of {subject} is not ready for hardware-secured KMS hosts ({detail}). KMS works without today.",
        "Switch TPM 2.0 on in its firmware, or add a virtual TPM, before a coming Windows Server makes a difference; "
        "Get-TpmSupportedFeature -FeatureList 'Key Attestation' tells whether it is enough.",
    ),
    # KMS clients
    "no_host_activates": Rule(
        ERROR,
        "None of the KMS hosts activates this Windows.",
        "No KMS host activates {subject}: {detail}.",
        "Install a KMS host key of a newer group, which activates the older ones too, on a host that may have it "
        "(0xC004F042 is what Windows says), and the latest cumulative update there.",
    ),
    "host_does_not_activate": Rule(
        WARNING,
        "One of the KMS hosts does not activate this Windows, another one does.",
        "Not every KMS host activates {subject}: {detail}.",
        "Point the machine at one that does (server), or bring all hosts to the same key group and updates. In DNS a "
        "client may find any of them.",
    ),
    "activation_unknown": Rule(
        INFO,
        "Whether a KMS host activates this Windows can't be told.",
        "Whether a KMS host activates {subject}, can't be told: {detail}.",
        "See Microsoft's page about KMS activation planning, and the update history of the host.",
    ),
    "kms_host_not_ready": Rule(
        WARNING,
        "A KMS host has no KMS host key, or is not activated with it.",
        "Not yet an activated KMS host that could activate {subject}: {detail}.",
        "Set it up first: winops.kms.host with key and activate.",
    ),
    "clock_refused": Rule(
        ERROR,
        "The clocks of the machine and of a KMS host differ by more than four hours.",
        "The clock of {subject} is {detail}. KMS accepts four hours (0xC004F06C).",
        _SET_CLOCK + ".",
    ),
    "clock_of_host_differs": Rule(
        WARNING,
        "The clocks of the machine and of a KMS host differ by more than an hour.",
        "The clock of {subject} is {detail}. KMS accepts four hours.",
        _SET_CLOCK + ".",
    ),
    "no_kms_client": Rule(
        INFO,
        "The machine has a KMS host key or a multiple activation key, so that it asks no KMS host.",
        "{subject} has a key of channel {detail} and asks no KMS host.",
        "Nothing is to be done, unless it shall become a KMS client (winops.kms.client with gvlk).",
    ),
    "setting_overridden": Rule(
        WARNING,
        "The product or the application has a KMS host of its own, which goes before that of the machine.",
        "{subject} keeps asking {detail}, whatever the setting of the machine says.",
        "Clear it: winops.kms.client with activation_id and discover. That of the application is "
        "KeyManagementServiceName below SoftwareProtectionPlatform\\<application ID> in the registry.",
    ),
    "foreign_kms_host": Rule(
        WARNING,
        "The machine has a fixed KMS host that is none of those given.",
        "{subject} asks {detail}, which is none of the KMS hosts of this inventory.",
        "Point it at one of them, or have it find one in DNS (winops.kms.client with server or discover).",
    ),
    "server_unknown": Rule(
        WARNING,
        "The server that is asked for is none of the KMS hosts given.",
        "{subject} is to ask {detail}, which is none of the KMS hosts of this inventory.",
        "Check the spelling of server, and that this name leads to a KMS host.",
    ),
    "server_port": Rule(
        ERROR,
        "The server that is asked for listens on another port.",
        "{subject} is to ask {detail}.",
        "Give the port on which the host listens, or change that of the host (winops.kms.host with port).",
    ),
    "azure_repointed": Rule(
        WARNING,
        "A machine in Azure is about to be pointed away from the KMS host of Azure.",
        "{subject} asks {detail}, the KMS host of Azure, and is to ask another one.",
        "Leave machines in Azure out, unless this is meant.",
    ),
    "azure_kms": Rule(
        INFO,
        "The machine asks the KMS host of Azure.",
        "{subject} asks {detail}, the KMS host of Azure.",
        "This is right for a machine in Azure.",
    ),
    "ad_activation": Rule(
        WARNING,
        "An activation object in Active Directory activates the machine, and not a KMS host.",
        "{subject} is activated by the activation object {detail} in Active Directory, which goes before KMS.",
        "Nothing is to be done if that is meant. For KMS alone: winops.kms.client with activation_type kms.",
    ),
    "kms_not_allowed": Rule(
        WARNING,
        "The activation type of the machine leaves KMS out.",
        "The activation type of {subject} is {detail}, so that it asks no KMS host.",
        "Set it to any or kms: winops.kms.client with activation_type.",
    ),
    "no_gen_ticket": Rule(
        INFO,
        "A policy keeps the machine from sending KMS client data to Microsoft. Activation does not need it.",
        "The policy Turn off KMS Client Online AVS Validation (NoGenTicket) is set on {subject}.",
        "Nothing is to be done; with it, Windows logs that no genuine ticket could be got.",
    ),
}


@dataclass(frozen=True)
class Wish:
    """What the caller is about to do.  kms_hosts: None when none were given.

    server, port, discover, activation_type, of_product: as winops.kms.client has them (of_product: with activation_id);
    firewall: the rule is going to be enabled.
    """

    kms_hosts: tuple[KmsHost, ...] | None = None
    server: str | None = None
    port: int | None = None
    discover: bool = False
    activation_type: str | None = None
    of_product: bool = False
    firewall: bool = False
    application: str = "windows"


@dataclass(frozen=True)
class Finding:
    """One row of the result."""

    check: str
    subject: str
    message: str
    remedy: str

    @property
    def severity(self) -> str:
        """error, warning or info, by the rule."""
        return RULES[self.check].severity

    def as_result(self) -> dict[str, str]:
        return {
            "check": self.check,
            "severity": self.severity,
            "subject": self.subject,
            "message": self.message,
            "remedy": self.remedy,
        }


class _Raised(NamedTuple):
    check: str
    detail: str = ""


_Finder = Callable[[Facts, Wish], Iterator[_Raised]]


def findings(facts: Facts, wish: Wish) -> tuple[Finding, ...]:
    """All findings about a machine, the worst first."""
    finders = _OF_THE_LICENCE if facts.brief else _FINDERS[facts.role]
    found = [_finding(raised, facts) for finder in finders for raised in finder(facts, wish)]
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))


def worst(found: Iterable[Finding]) -> str:
    """The worst severity, or none."""
    present = {finding.severity for finding in found}
    return next((severity for severity in SEVERITIES if severity in present), NONE)


def counts(found: Sequence[Finding]) -> dict[str, int]:
    """How many there are of each severity."""
    return {severity: sum(one.severity == severity for one in found) for severity in SEVERITIES}


def summary(found: Sequence[Finding]) -> str:
    """One line: the counts, and what the worst findings say."""
    if not found:
        return "No findings."
    counted = ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts(found).items() if count)
    quoted = [one.message for one in found if one.severity == found[0].severity]
    return " ".join([f"{counted}.", *quoted])


def _finding(raised: _Raised, facts: Facts) -> Finding:
    rule = RULES[raised.check]
    message = rule.message.format(subject=facts.name, detail=raised.detail)
    return Finding(raised.check, facts.name, message, rule.remedy)


# --- both roles -------------------------------------------------------------------------------------------------------


def _edition(facts: Facts, wish: Wish) -> Iterator[_Raised]:
    told = _edition_text(facts)
    if is_evaluation(facts.editions, facts.sku):
        yield _Raised("evaluation_edition", told)
    if facts.role == HOST and is_azure_edition(facts.editions, facts.sku):
        yield _Raised("azure_edition", told)


def _edition_text(facts: Facts) -> str:
    return facts.editions[0] if facts.editions else f"OperatingSystemSKU {facts.sku}"


def _clock(facts: Facts, wish: Wish) -> Iterator[_Raised]:
    """Where the clocks of KMS hosts are known, these decide, and the controller's may be the wrong one."""
    seconds = facts.clock_difference_seconds
    off = abs(seconds or 0)
    detail = difference(seconds or 0)
    known = any(host.clock_difference_seconds is not None for host in wish.kms_hosts or ())
    stopped = facts.services.get("W32Time") == DISABLED
    if off > CLOCK_TOLERANCE and not known:
        yield _Raised("clock_wrong", detail)
    elif off > CLOCK_OF_KERBEROS and stopped:
        yield _Raised("clock_unsynchronised", detail)
    elif off > CLOCK_WARNING:
        yield _Raised("clock_differs", detail)
    elif off > CLOCK_OF_KERBEROS:
        yield _Raised("clock_kerberos", detail)
    elif stopped:
        yield _Raised("time_service_disabled")


def difference(seconds: int) -> str:
    """A clock's distance in words: 2 h 5 min ahead of, 6 min behind."""
    hours, minutes = divmod(abs(seconds) // 60, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{number} {unit}" for number, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if number]
    return f"{' '.join(parts) or '0 min'} {'ahead of' if seconds > 0 else 'behind'}"


def _services(facts: Facts, wish: Wish) -> Iterator[_Raised]:
    if facts.services.get("sppsvc") == DISABLED:
        yield _Raised("sppsvc_disabled")


def _grace(facts: Facts, wish: Wish) -> Iterator[_Raised]:
    minutes, end = facts.grace_minutes_remaining, facts.license_ends
    if not minutes or end is None or minutes > SOON / timedelta(minutes=1):
        return
    bias = facts.time_zone_minutes or 0
    zone = f"UTC{'-' if bias < 0 else '+'}{abs(bias) // 60:02d}:{abs(bias) % 60:02d}"
    end = end.astimezone(timezone.utc)
    yield _Raised(
        "grace_ends_soon",
        f"the state {facts.status} ends on {end:%Y-%m-%d} at {end:%H:%M} UTC; the time zone of the machine is {zone}",
    )


def _settings(facts: Facts, wish: Wish) -> Iterator[_Raised]:
    if facts.skip_rearm:
        yield _Raised("skip_rearm")
    if facts.user_operations:
        yield _Raised("user_operations")
    if facts.remaining_rearms == 0:
        yield _Raised("no_rearms_left")
    if facts.not_read:
        yield _Raised("not_read", ", ".join(facts.not_read))


# --- KMS hosts --------------------------------------------------------------------------------------------------------


def _host_release(facts: Facts, wish: Wish) -> Iterator[_Raised]:
    shown = facts.release or facts.caption or "its Windows"
    if facts.kind == matrix.CLIENT:
        yield _Raised("client_os_host", shown)
    if wish.application == "windows" and facts.release is not None and not matrix.groups_for(facts.release):
        yield _Raised("no_host_key_for_release", shown)


def _host_updates(facts: Facts, wish: Wish) -> Iterator[_Raised]:
    """Of what its key activates; of everything as long as it has no key yet."""
    if wish.application != "windows":
        return
    group = facts.group
    clients = dict.fromkeys(one.client for one in matrix.needed(facts.release))
    for check, wanted in (("updates_missing", matrix.NO), ("updates_unknown", matrix.UNKNOWN)):
        concerned = [
            client
            for client in clients
            if (group is None or matrix.covers(group, client) == matrix.YES)
            and matrix.updated(facts.release, client, revision=facts.revision, listed=facts.updates) == wanted
        ]
        if concerned:
            yield _Raised(check, "; ".join(_update_text(facts.release, client) for client in concerned))


def _update_text(release: str | None, client: str) -> str:
    return f"{client}, for which it needs {_updates_text(release, client)}"


def _updates_text(release: str | None, client: str | None) -> str:
    return " or ".join(one.name for one in matrix.needed(release, client)) + " or a later update"


def _firewall(facts: Facts, wish: Wish) -> Iterator[_Raised]:
    port = wish.port or facts.kms_port
    if port != DEFAULT_KMS_PORT:
        yield _Raised("firewall_other_port", str(port))
    elif facts.firewall_rule is False and not wish.firewall:
        yield _Raised("firewall_closed")


def _tpm(facts: Facts, wish: Wish) -> Iterator[_Raised]:
    tpm = facts.tpm
    if tpm is not None and not tpm.ready:
        switched = {True: "on", False: "off", None: "not told"}[tpm.enabled and tpm.activated]
        yield _Raised("tpm_not_ready", f"version {tpm.spec_version or 'not told'}, switched {switched}")


# --- KMS clients ------------------------------------------------------------------------------------------------------


def _no_client(facts: Facts, wish: Wish) -> Iterator[_Raised]:
    if facts.key_channel in _NO_CLIENT:
        yield _Raised("no_kms_client", facts.key_channel.upper())


def _coverage(facts: Facts, wish: Wish) -> Iterator[_Raised]:
    """Over the hosts that the machine can be sent to: the server that is asked for, else all."""
    if facts.key_channel in _NO_CLIENT or wish.application != "windows":
        return
    not_ready: list[str] = []
    able: list[str] = []
    unable: list[str] = []
    open_questions: list[str] = []
    for host in _candidates(wish):
        if not host.known:
            open_questions.append(f"{host.name} could not be read")
            continue
        if host.ready is False:
            not_ready.append(host.name)
            continue
        answer, why = _activates(host, facts)
        if answer == matrix.YES:
            able.append(host.name)
        else:
            (unable if answer == matrix.NO else open_questions).append(f"{host.name} {why}")
    if not_ready:
        yield _Raised("kms_host_not_ready", ", ".join(not_ready))
    if unable:
        yield _Raised("host_does_not_activate" if able or open_questions else "no_host_activates", "; ".join(unable))
    if open_questions:
        yield _Raised("activation_unknown", "; ".join(open_questions))


def _candidates(wish: Wish) -> tuple[KmsHost, ...]:
    hosts = wish.kms_hosts or ()
    server = wish.server
    if not server:
        return hosts
    return tuple(host for host in hosts if host.answers_to(server)) or hosts


def _activates(host: KmsHost, facts: Facts) -> tuple[str, str]:
    """Whether a host activates the machine, and why not."""
    client = facts.release
    if client is None:
        return matrix.UNKNOWN, f"may or may not know {facts.caption or 'this Windows'}, build {facts.build}"
    if host.kind == matrix.CLIENT and facts.kind == matrix.SERVER:
        return matrix.NO, f"runs {host.release or 'a client Windows'}, which activates no servers"
    covered = matrix.covers(host.group, client)
    if covered == matrix.NO and host.group is not None:
        return matrix.NO, f"has a key of the group {host.group.name}, which does not activate {client}"
    updated = matrix.updated(host.release, client, revision=host.revision, listed=host.updates)
    needs = f"to activate {client}, {host.release} needs {_updates_text(host.release, client)}"
    if updated == matrix.NO:
        return matrix.NO, f"lacks an update: {needs}"
    if covered == matrix.UNKNOWN:
        named = host.group.name if host.group else "not known"
        return matrix.UNKNOWN, f"(key group {named}): Microsoft does not tell whether it activates {client}"
    if updated == matrix.UNKNOWN:
        return matrix.UNKNOWN, f"may lack an update: {needs}"
    return matrix.YES, ""


def _client_clock(facts: Facts, wish: Wish) -> Iterator[_Raised]:
    own = facts.clock_difference_seconds
    for host in _candidates(wish):
        if own is None or host.clock_difference_seconds is None or facts.key_channel in _NO_CLIENT:
            continue
        between = own - host.clock_difference_seconds
        detail = f"{difference(between)} that of the KMS host {host.name}"
        if abs(between) > CLOCK_TOLERANCE:
            yield _Raised("clock_refused", detail)
        elif abs(between) > CLOCK_WARNING:
            yield _Raised("clock_of_host_differs", detail)


def _pointer(facts: Facts, wish: Wish) -> Iterator[_Raised]:
    """Whom the machine asks once the caller has done what it is about to do."""
    if facts.key_channel in _NO_CLIENT:
        return
    wished = bool(wish.server or wish.discover)
    own = facts.product_kms_server if not (wish.of_product and wished) else None
    if _same_name(own, facts.machine_kms_server):
        own = None  # A product without a setting of its own may show that of the machine.
    override = own or facts.application_kms_server
    if override and wished and not _same_name(override, wish.server):
        whose = "the product" if own else "the application"
        yield _Raised("setting_overridden", f"{override}, the KMS host of {whose}")
    now = facts.product_kms_server or facts.application_kms_server or facts.machine_kms_server
    after = override or wish.server or (None if wish.discover else now)
    if _is_azure(now):
        yield _Raised("azure_kms" if _same_name(now, after) else "azure_repointed", str(now))
    elif after and not _is_address(after) and wish.kms_hosts and not _known(after, wish):
        yield _Raised("server_unknown" if _same_name(after, wish.server) else "foreign_kms_host", after)
    yield from _server_port(wish)


def _server_port(wish: Wish) -> Iterator[_Raised]:
    if not wish.server or not _known(wish.server, wish):
        return
    asked = wish.port or DEFAULT_KMS_PORT
    ports = {host.port for host in _candidates(wish) if host.known}
    if ports and asked not in ports:
        listed = ", ".join(str(port) for port in sorted(ports))
        yield _Raised("server_port", f"{wish.server} at TCP port {asked}, but it listens on {listed}")


def _known(name: str, wish: Wish) -> bool:
    return any(host.answers_to(name) for host in wish.kms_hosts or ())


def _same_name(left: str | None, right: str | None) -> bool:
    return (left or "").rstrip(".").lower() == (right or "").rstrip(".").lower()


def _is_azure(name: str | None) -> bool:
    return any(_same_name(name, one) for one in AZURE_KMS)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _methods(facts: Facts, wish: Wish) -> Iterator[_Raised]:
    if facts.key_channel in _NO_CLIENT:
        return
    allowed = wish.activation_type or facts.activation_type
    if allowed in ("ad", "token"):
        if allowed != wish.activation_type:
            yield _Raised("kms_not_allowed", allowed)
    elif facts.ad_activation_object and allowed != "kms":
        yield _Raised("ad_activation", facts.ad_activation_object)
    if facts.no_gen_ticket:
        yield _Raised("no_gen_ticket")


_OF_THE_LICENCE: tuple[_Finder, ...] = (_edition, _no_client, _pointer, _methods)
_BOTH: tuple[_Finder, ...] = (_edition, _clock, _services, _grace, _settings)
_FINDERS: dict[str, tuple[_Finder, ...]] = {
    HOST: (*_BOTH, _host_release, _host_updates, _firewall, _tpm),
    CLIENT: (*_BOTH, _no_client, _coverage, _client_clock, _pointer, _methods),
}
