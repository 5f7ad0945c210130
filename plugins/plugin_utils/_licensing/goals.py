# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The goals that concern product keys and activation, shared by all tasks."""

from __future__ import annotations

import re

from .errors import LicensingError
from .hresult import describe
from .keys import ProductKey, find_gvlk
from .office_family import gvlk_of
from .plan import LICENSED, REFRESH, Goal, Operation, product_call, service_call
from .reading import Reader, State
from .state import APPLICATIONS, EXTENDED_GRACE, OFFICE_APPLICATION, WINDOWS_APPLICATION, Product

_EDITION_IN_NAME = re.compile(r"^Windows\(R\),? (\w+) edition$")


def _masked_key(state: State) -> str | None:
    product = state.product
    return f"*****-{product.partial_product_key}" if product and product.partial_product_key else None


def key_goal(key: ProductKey, *, channel: str | None = None, restart: bool = False) -> Goal:
    """The key is installed; seen by its last five characters, the only part of it that Windows shows.

    `channel` is what the key must be (gvlk, csvlk, mak, retail): whether it is shows only once it is installed.
    """
    wanted = f"*****-{key.partial}"

    def verify(state: State) -> None:
        product = state.product
        if product is None or channel is None or product.key_channel in (None, channel):
            return
        if product.partial_product_key == key.partial:
            raise LicensingError(
                f"the key that ends in {key.partial} is installed, but Windows says that its channel is "
                f"{product.channel}, not {channel}",
                remedy="Install the right key, or remove this one with product_key, state: absent",
            )

    return Goal(
        setting="product_key",
        wanted=wanted,
        read=_masked_key,
        met=lambda state: _masked_key(state) == wanted,
        operations=(service_call("InstallProductKey", {"ProductKey": key.secret}), REFRESH),
        spends=not key.is_gvlk,
        changes_products=True,
        restart=restart,
        verify=verify,
        mismatch="the key may be for another product, which application or activation_id has to name",
    )


def no_key_goal(*, restart: bool = False) -> Goal:
    """The chosen product has no key."""
    return Goal(
        setting="product_key",
        wanted=None,
        read=_masked_key,
        met=lambda state: _masked_key(state) is None,
        operations=(product_call("UninstallProductKey"), REFRESH),
        changes_products=True,
        restart=restart,
    )


def forget_key_goal() -> Goal:
    """The key is cleared from the registry; Windows has no property that would show whether one is there."""
    return Goal(
        setting="product_key_in_registry",
        wanted="cleared",
        read=lambda state: "unknown",
        met=lambda state: False,
        operations=(service_call("ClearProductKeyFromRegistry"),),
        observable=False,
    )


ACTIVATE = (product_call("Activate"), REFRESH)


def activation_goal(*, spends: bool, restart: bool = False, operations: tuple[Operation, ...] = ACTIVATE) -> Goal:
    """The chosen product is licensed."""
    return Goal(
        setting="status",
        wanted=LICENSED,
        read=lambda state: state.product.status if state.product else None,
        met=lambda state: state.product is not None and state.product.licensed,
        operations=operations,
        spends=spends,
        of_product=True,
        restart=restart,
        mismatch=None,  # activation_failure() tells it, with the reason
    )


def activation_spends(state: State, key: ProductKey | None) -> bool:
    """Whether activating uses up one of a limited number: with every key but a client setup key."""
    if key is not None:
        return not key.is_gvlk
    return state.product is not None and not state.product.is_kms_client


def activation_failure(product: Product | None) -> LicensingError | None:
    """The error when a product is not licensed after its activation: Windows may accept the call and change nothing."""
    if product is None:
        return LicensingError("the product is gone after its activation", remedy="Read the host with license_info")
    if product.licensed or product.status_code == EXTENDED_GRACE:
        return None
    message = f"Windows accepted the activation, but its status is {product.status}"
    if not product.status_reason_code:
        return LicensingError(message, remedy="Read the host with license_info and its Application event log")
    info = describe(product.status_reason_code)
    return LicensingError(f"{message}: {info.message}", remedy=info.remedy, code=info.code, name=info.name)


def refuse_downgrade(state: State, key: ProductKey, *, activates: bool, allowed: bool) -> None:
    """Raise LicensingError where another key would take a licence away that the task may not bring back.

    activates: the task activates the new key.  That is enough where Microsoft is asked, and where the old licence ends
    some day; but a client setup key waits for the count of a KMS host, which is less than a licence without an end.
    The old key can't be put back: Windows shows its last five characters only.
    """
    product = state.product
    if allowed or product is None or not product.licensed or product.partial_product_key in (None, key.partial):
        return
    if activates and not (key.is_gvlk and product.days_remaining is None):
        return
    until = "for good" if product.days_remaining is None else f"for {product.days_remaining} more days"
    raise LicensingError(
        f"{product.name} is licensed {until} by a key of channel {product.channel} that ends in "
        f"{product.partial_product_key}; the key that ends in {key.partial} would leave it "
        + ("waiting for a KMS host" if activates else "unlicensed until it is activated"),
        remedy="Say allow_downgrade: true if that is what you want"
        + ("" if activates or key.is_gvlk else ", or name the product with activation_id if the key is for an add-on"),
    )


def require_known_id(state: State) -> None:
    """Raise LicensingError when the task names an activation ID that no product of this host has."""
    if state.scope.activation_id and state.product is None:
        raise LicensingError(
            f"activation_id: this host has no product {state.scope.activation_id}",
            remedy="license_info with application: all shows the IDs of the products that have a key",
        )


def require_key(state: State) -> Product:
    """The chosen product; raises LicensingError when it has no key, so that there is nothing to activate."""
    if state.product is None or not state.product.partial_product_key:
        raise LicensingError(
            "this host has no product key" + (" for that activation_id" if state.scope.activation_id else ""),
            remedy="Install one first; client with gvlk: true installs the public client setup key of its edition",
        )
    return state.product


def refuse_token_activation(state: State, activation_type: str | None) -> None:
    """Raise LicensingError where Windows is told to use token-based activation only: it ignores Activate then."""
    product = state.product
    if (activation_type or (product.activation_type if product else None)) == "token":
        raise LicensingError(
            "activate: this host is set to token-based activation only",
            remedy="Set activation_type to any, ad or kms, or leave activate out",
        )


def gvlk_for(reader: Reader, state: State) -> ProductKey:
    """The public client setup key for the edition and build of the host; never chosen by a localised caption.

    The edition comes from the product that has a key; a host without any is asked for its OperatingSystemSKU (one more
    query).  Raises LicensingError that lists what was read when there is no such key.
    """
    product, build = state.product, state.service.build
    application = product.application_id if product is not None else APPLICATIONS[state.scope.application]
    if application.lower() == OFFICE_APPLICATION and product is not None:
        return gvlk_of(product)
    if application.lower() != WINDOWS_APPLICATION:
        raise LicensingError(
            "gvlk: the client setup key can be chosen for Windows, and for Office 2016 and later",
            remedy="Name the product with activation_id, or give its key with key",
        )
    if product is not None:
        editions = edition_ids(product)
        found = find_gvlk(build=build, edition_ids=editions) if build is not None else None
        seen = f"edition {' or '.join(editions) or 'not told'}, Windows version {state.service.version}"
    else:
        system = reader.operating_system()
        told = system.build_number or ""
        build = int(told) if told.isdigit() else build
        found = find_gvlk(build=build, sku=system.sku) if build is not None and system.sku is not None else None
        seen = f"OperatingSystemSKU {system.sku}, build {build}, {system.caption}"
    if found is None:
        raise LicensingError(
            f"gvlk: Microsoft publishes no client setup key for this edition ({seen})", remedy=_edition_remedy(seen)
        )
    return found.key


def edition_ids(product: Product) -> tuple[str, ...]:
    """What the product says of its edition, as EditionID: its licence family, and its name (which is not localised)."""
    match = _EDITION_IN_NAME.match(product.name or "")
    named = (match.group(1) if match else None, product.license_family)
    return tuple(dict.fromkeys(edition for edition in named if edition))


def _edition_remedy(seen: str) -> str:
    if "eval" in seen.lower():
        return "Convert the evaluation edition first (DISM /Online /Set-Edition), then run the task again"
    return "Only volume editions have one; give a key of your own with key, or install a volume edition"
