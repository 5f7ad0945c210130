# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A KMS client in one task: key, KMS server or discovery, activation type, activation."""

from __future__ import annotations

from dataclasses import dataclass

from .apply import Applier, Outcome
from .errors import InvalidOption, LicensingError
from .goals import (
    activation_failure,
    activation_goal,
    activation_spends,
    gvlk_for,
    key_goal,
    refuse_downgrade,
    refuse_token_activation,
    require_key,
    require_known_id,
)
from .keys import ProductKey
from .office import activation_goals, is_about_all, key_goals, tell_failures, volume_units
from .plan import Goal, setting_goal, unmet
from .reading import State
from .settings import ACTIVATION_TYPE, CLIENT_SETTINGS, Setting
from .state import Product

_BY_OPTION: dict[str, Setting] = {setting.option: setting for setting in CLIENT_SETTINGS}


@dataclass(frozen=True)
class ClientWish:
    """The options of the module `client`; None = leave as it is."""

    key: ProductKey | None = None
    key_channel: str = "gvlk"
    gvlk: bool = False
    server: str | None = None
    port: int | None = None
    discover: bool = False
    lookup_domain: str | None = None
    host_caching: bool | None = None
    activation_type: str | None = None
    activate: bool = False
    leave_alone: tuple[str, ...] = ()
    allow_downgrade: bool = False

    def check(self, *, on_product: bool) -> None:
        """Raise InvalidOption for what is wrong whatever the host is like."""
        if self.key is not None and self.key_channel == "gvlk" and not self.key.is_gvlk:
            raise InvalidOption(
                "key",
                f"the key that ends in {self.key.partial} is not one of Microsoft's public client setup keys (GVLK)",
                remedy="Use gvlk: true for a KMS client; say key_channel: mak if it really is a MAK; a KMS host key "
                "(CSVLK) belongs on a KMS host only, with the module host",
            )
        if self.key is not None and self.key_channel != "gvlk" and self.key.is_gvlk:
            raise InvalidOption(
                "key_channel",
                f"the key that ends in {self.key.partial} is a client setup key, not a {self.key_channel}",
            )
        if self.server is not None:
            check_server_name(self.server)
        if on_product and self.host_caching is not None:
            raise InvalidOption(
                "host_caching", "Windows has it for the whole machine only, not for one activation_id or Office"
            )
        _BY_OPTION["port"].check(self.port)


def check_server_name(server: str) -> None:
    """Raise InvalidOption unless `server` can be the name or address of a KMS host, without a port."""
    if not server.strip(" ."):
        raise InvalidOption("server", "it is empty", remedy="Leave it out, or use discover: true for discovery by DNS")
    if any(character.isspace() or ord(character) < 32 for character in server) or "/" in server:
        raise InvalidOption("server", f"{server!r} is not a host name", remedy="Give a name such as kms.example.com")
    if ":" in server and not (server.startswith("[") and server.endswith("]")):
        raise InvalidOption(
            "server",
            f"{server!r} holds a colon",
            remedy="Give the port with the option port; write an IPv6 address in brackets, [2001:db8::1]",
        )


def configure_client(applier: Applier, wish: ClientWish, *, check: bool) -> Outcome:
    """Read, plan, apply; `check` plans only.  Raises LicensingError before anything is changed, never after."""
    applier = applier.installing(wish.key)
    state = applier.reader.read()
    if is_about_all(state):
        return _configure_office(applier, wish, state, check=check)
    require_known_id(state)
    channel = state.product.key_channel if state.product else None
    if channel in wish.leave_alone:
        return Outcome(before=state, after=state, left_alone=True)
    goals = client_goals(wish, applier, state)
    outcome = applier.run(goals, state, check=check)
    outcome.warnings += _warnings(wish, state)
    if wish.activate and not check:
        outcome.error = outcome.error or activation_failure(outcome.after.product)
    return outcome


def client_goals(wish: ClientWish, applier: Applier, state: State) -> list[Goal]:
    """The goals in the order in which they are pursued: key, settings, activation."""
    goals: list[Goal] = []
    on_product = applier.reader.scope.activation_id is not None
    if state.product is not None and state.product.key_channel == "csvlk":
        _refuse_kms_host(wish, state.product)
    key = gvlk_for(applier.reader, state) if wish.gvlk else wish.key
    if key is not None:
        refuse_downgrade(state, key, activates=wish.activate, allowed=wish.allow_downgrade)
        goals.append(key_goal(key, channel="gvlk" if wish.gvlk else wish.key_channel))
    elif wish.activate or (wish.activation_type is not None and not on_product):
        require_key(state)
    goals += _setting_goals(wish, on_product=on_product)
    if wish.activate:
        activation = activation_goal(spends=activation_spends(state, key))
        goals.append(activation)
        if activation in unmet(goals, state):
            refuse_token_activation(state, wish.activation_type)
    return goals


def _setting_goals(wish: ClientWish, *, on_product: bool) -> list[Goal]:
    wanted: dict[str, str | int | bool | None] = {}
    if wish.discover:
        wanted = {"server": None, "port": None}
    elif wish.server is not None:
        # As slmgr.vbs /skms: a server without a port means the default port, not the one of the server before.
        wanted = {"server": wish.server.rstrip("."), "port": wish.port}
    elif wish.port is not None:
        wanted = {"port": wish.port}
    if wish.lookup_domain is not None:
        wanted["lookup_domain"] = wish.lookup_domain.strip().rstrip(".") or None
    if wish.host_caching is not None:
        wanted["host_caching"] = wish.host_caching
    goals = [setting_goal(_BY_OPTION[option], value, on_product=on_product) for option, value in wanted.items()]
    if wish.activation_type is not None:
        goals.append(setting_goal(ACTIVATION_TYPE, wish.activation_type, on_product=on_product, read_product=True))
    return goals


def _configure_office(applier: Applier, wish: ClientWish, state: State, *, check: bool) -> Outcome:
    """The same for all volume products of Office; a KMS host key for Office is never touched here."""
    units = volume_units(applier.reader, state, key=wish.key, gvlk=wish.gvlk, leave_alone=wish.leave_alone)
    if not units:
        return Outcome(before=state, after=state, left_alone=True)
    goals = key_goals(units, state, activates=wish.activate, channel=wish.key_channel, allowed=wish.allow_downgrade)
    clients = [unit for unit in units if unit.is_kms_client]
    goals += [unit.goal(goal) for unit in clients for goal in _setting_goals(wish, on_product=True)]
    if wish.activate:
        goals += activation_goals(units, state, activation_type=wish.activation_type)
    outcome = applier.run(goals, state, check=check)
    if wish.lookup_domain and wish.server is None and not wish.discover:
        fixed = next((unit for unit in clients if _own_server(unit.focus(outcome.after))), None)
        if fixed is not None:
            outcome.warnings.append(
                f"lookup_domain has no effect while {fixed.label} has a KMS server; discover: true clears it"
            )
    if wish.activate and not check:
        tell_failures(outcome, units)
    return outcome


def _own_server(state: State) -> str | None:
    return state.product.kms_server if state.product else None


def _refuse_kms_host(wish: ClientWish, product: Product) -> None:
    """Raise LicensingError for what would cost a KMS host its key, or an activation of it."""
    if wish.gvlk or wish.key:
        raise LicensingError(
            f"{'gvlk' if wish.gvlk else 'key'}: this machine is a KMS host, its host key (CSVLK) would be lost",
            remedy="Remove the host key first (module host, state: absent), or name csvlk in leave_alone",
        )
    if wish.activate and not product.licensed:
        raise LicensingError(
            "activate: this machine is a KMS host, activating it uses up an activation of its host key (CSVLK)",
            remedy="Activate it with the module host, or name csvlk in leave_alone",
        )


def _warnings(wish: ClientWish, state: State) -> list[str]:
    warnings = []
    server = wish.server or (state.service.kms_server if not wish.discover else None)
    if wish.lookup_domain and server:
        warnings.append(f"lookup_domain has no effect while the KMS server {server} is set; discover: true clears it")
    product = state.product
    if product is None or state.scope.activation_id or not (wish.server or wish.discover):
        return warnings
    if product.kms_server and not _BY_OPTION["server"].same(product.kms_server, state.service.kms_server):
        warnings.append(
            f"the product {product.activation_id} has a KMS server of its own ({product.kms_server}), which goes "
            "before the one of the machine; give activation_id to change it"
        )
    return warnings
