# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A KMS host in one task: host key, activation, settings, DNS publishing, firewall rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._cim.session import CimSession
from .apply import Applier, Outcome
from .editions import AZURE_REMEDY, EVALUATION_REMEDY, is_azure_edition, is_evaluation
from .errors import InvalidOption, LicensingError
from .goals import (
    activation_failure,
    activation_goal,
    edition_ids,
    key_goal,
    no_key_goal,
    refuse_downgrade,
    require_known_id,
)
from .keys import ProductKey
from .plan import Goal, Operation, setting_goal
from .publishing import PublishDomain, write_publish_domains
from .reading import FIREWALL_RULE, Reader, State
from .settings import HOST_SETTINGS, Setting

_BY_OPTION: dict[str, Setting] = {setting.option: setting for setting in HOST_SETTINGS}


@dataclass(frozen=True)
class HostWish:
    """The options of the module `host`; None = leave as it is."""

    key: ProductKey | None = None
    activate: bool = False
    port: int | None = None
    activation_interval: int | None = None
    renewal_interval: int | None = None
    dns_publishing: bool | None = None
    low_priority: bool | None = None
    publish_domains: tuple[PublishDomain, ...] | None = None
    firewall: bool | None = None
    present: bool = True
    allow_downgrade: bool = False

    @property
    def settings(self) -> dict[Setting, int | bool]:
        """The settings that were given, in the order of the table."""
        given = {setting: getattr(self, setting.option) for setting in HOST_SETTINGS}
        return {setting: value for setting, value in given.items() if value is not None}

    def check(self) -> None:
        """Raise InvalidOption for what is wrong whatever the host is like."""
        if self.key is not None and self.key.is_gvlk:
            raise InvalidOption(
                "key",
                f"the key that ends in {self.key.partial} is a public client setup key (GVLK), not a KMS host key",
                remedy="Give the KMS host key (CSVLK) of your volume licence agreement",
            )
        for setting, value in self.settings.items():
            setting.check(value)
        check_publish_domains(self.publish_domains or ())


def check_publish_domains(domains: Sequence[PublishDomain]) -> None:
    """Raise InvalidOption for what can't be a list of domains to publish in."""
    seen = set()
    for item in domains:
        labels = item.domain.split(".")
        if not item.domain or any(not label or len(label) > 63 or set(label) & set(" ,\t\r\n") for label in labels):
            raise InvalidOption("publish_domains", f"domain {item.domain!r} is not a DNS domain name")
        for what, number in (("priority", item.priority), ("weight", item.weight)):
            if not 0 <= number <= 65535:
                raise InvalidOption("publish_domains", f"{what} {number} of {item.domain} must be 0 to 65535")
        if item.domain in seen:
            raise InvalidOption("publish_domains", f"domain {item.domain} is listed twice")
        seen.add(item.domain)


def configure_host(applier: Applier, wish: HostWish, *, check: bool) -> Outcome:
    """Read, plan, apply; `check` plans only.  Raises LicensingError before anything is changed, never after."""
    applier = applier.installing(wish.key)
    state = applier.reader.read()
    require_known_id(state)
    if wish.present and wish.key is not None:
        _refuse_edition(applier.reader, state, wish.key)
    if wish.firewall is not None:
        require_firewall_rule(state)
    warnings: list[str] = []
    if wish.present:
        try:
            _require_kms_host(wish, state)
        except LicensingError as error:
            # In check mode the task that installs the host key has not done it either.
            if not check:
                raise
            warnings.append(str(error))
        goals = present_goals(wish, state)
    else:
        goals = absent_goals(wish, state)
    outcome = applier.run(goals, state, check=check)
    outcome.warnings += warnings + warnings_of(wish)
    if wish.present and wish.activate and not check:
        outcome.error = outcome.error or activation_failure(outcome.after.product)
    return outcome


def present_goals(wish: HostWish, state: State) -> list[Goal]:
    """Key, activation, settings, publish list, firewall, in this order: Windows wants the key before host settings."""
    goals = []
    if wish.key is not None:
        refuse_downgrade(state, wish.key, activates=wish.activate, allowed=wish.allow_downgrade)
        goals.append(key_goal(wish.key, channel="csvlk", restart=True))
    if wish.activate:
        goals.append(activation_goal(spends=True, restart=True))
    return goals + machine_goals(wish)


def machine_goals(wish: HostWish) -> list[Goal]:
    """What a KMS host has but once, whatever it is a host for: settings, publish list, firewall."""
    goals = [setting_goal(setting, value) for setting, value in wish.settings.items()]
    if wish.publish_domains is not None:
        goals.append(_publish_goal(wish.publish_domains))
    if wish.firewall is not None:
        goals.append(_firewall_goal(wish.firewall))
    return goals


def absent_goals(wish: HostWish, state: State) -> list[Goal]:
    """The way back: settings first, as long as Windows accepts them, then the key; the firewall rule is closed."""
    goals = [_publish_goal(())]
    if state.firewall is not None:
        goals.insert(0, _firewall_goal(bool(wish.firewall)))
    if state.is_kms_host:
        goals.append(setting_goal(_BY_OPTION["port"], None))
        if state.product is not None and state.product.key_channel == "csvlk":
            goals.append(no_key_goal(restart=True))
    return goals


def _publish_goal(domains: tuple[PublishDomain, ...]) -> Goal:
    def write(session: CimSession, state: State) -> None:
        write_publish_domains(session, domains)

    return Goal(
        setting="publish_domains",
        wanted=[item.line for item in domains],
        read=lambda state: [item.line for item in state.publish_domains or ()],
        met=lambda state: set(state.publish_domains or ()) == set(domains),
        operations=(Operation("write DnsDomainPublishList", write),),
        restart=True,
    )


def _firewall_goal(enabled: bool) -> Goal:
    def switch(session: CimSession, state: State) -> None:
        if state.firewall is not None:
            session.invoke(state.firewall.reference, "Enable" if enabled else "Disable")

    return Goal(
        setting="firewall",
        wanted=enabled,
        read=lambda state: state.firewall.enabled if state.firewall else None,
        met=lambda state: state.firewall is not None and state.firewall.enabled is enabled,
        operations=(Operation("switch the firewall rule", switch),),
    )


def _refuse_edition(reader: Reader, state: State, key: ProductKey) -> None:
    """Raise LicensingError for a Windows that takes no host key.  Only one without any key is asked for its edition."""
    product = state.product
    if state.scope.application != "windows" or (product is not None and product.partial_product_key == key.partial):
        return
    editions = edition_ids(product) if product is not None else ()
    sku = None if editions else reader.operating_system().sku
    told = " or ".join(editions) or f"OperatingSystemSKU {sku}"
    if is_evaluation(editions, sku):
        raise LicensingError(
            f"key: this is an evaluation edition ({told}), which takes no volume licence key", remedy=EVALUATION_REMEDY
        )
    if is_azure_edition(editions, sku):
        raise LicensingError(
            f"key: Windows Server Datacenter: Azure Edition ({told}) can't be a KMS host", remedy=AZURE_REMEDY
        )


def require_firewall_rule(state: State) -> None:
    """Raise LicensingError when Windows has no such rule, or none that can be switched."""
    if state.firewall is None:
        raise LicensingError(
            f"firewall: this Windows has no rule {FIREWALL_RULE} that could be switched",
            remedy="The rule comes with Windows, switching it needs Windows 8 or Server 2012; open TCP 1688 by other "
            "means and leave firewall out",
        )


def _require_kms_host(wish: HostWish, state: State) -> None:
    """Raise LicensingError when the wish needs a KMS host key that is neither installed nor given."""
    if wish.key is not None or state.is_kms_host:
        return
    needing = ["activate"] * wish.activate + [setting.option for setting in wish.settings]
    if needing:
        raise LicensingError(
            f"{', '.join(needing)}: this machine is no KMS host, it has no KMS host key (CSVLK) installed",
            remedy="Give the host key with key",
        )


def warnings_of(wish: HostWish) -> list[str]:
    """What a task does not do, although its options sound like it."""
    port = wish.port
    if wish.present and wish.firewall and port is not None and port != 1688:
        return [f"firewall opens TCP 1688 only (rule SPPSVC-In-TCP); make a rule of your own for the port {port}"]
    return []
