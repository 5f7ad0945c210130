# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading: which queries are sent, which product is chosen, what the firewall rule looks like."""

from __future__ import annotations

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import CimInvalidClass
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import AmbiguousProduct, LicensingError
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.publishing import PublishDomain
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.reading import (
    Reader,
    Scope,
    is_kms_host,
    parse_guid,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.state import ProductDetails
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import (
    CLIENT_ID,
    ESU_ID,
    HOST_ID,
    MAK_ID,
    OFFICE_ID,
    VISIO_ID,
    FakeWindows,
    keyed_client,
    keyed_host,
    office,
    product,
)


def test_a_state_costs_two_queries_and_names_its_columns() -> None:
    windows = FakeWindows(keyed_client())
    state = Reader(windows, Scope()).read()
    assert [query[0] for query in windows.queries] == [
        "SoftwareLicensingService",
        "SoftwareLicensingProduct",
    ]
    assert all(query[1] for query in windows.queries)
    assert state.product is not None
    assert state.product.activation_id == CLIENT_ID
    assert state.firewall is None
    assert state.publish_domains is None


def test_products_are_never_asked_for_without_a_condition() -> None:
    for scope in (Scope(), Scope("office"), Scope("all"), Scope(activation_id=CLIENT_ID)):
        assert "PartialProductKey IS NOT NULL" in scope.where or f"ID='{CLIENT_ID}'" in scope.where


def test_a_column_that_an_older_windows_lacks_is_left_out() -> None:
    windows = FakeWindows(keyed_client())
    windows.missing = {"ProductKeyChannel"}
    state = Reader(windows, Scope()).read()
    columns = [query[1] for query in windows.queries if query[0] == "SoftwareLicensingProduct"]
    assert len(columns) == 2
    assert columns[0] is not None and "ProductKeyChannel" in columns[0]
    assert columns[1] is not None and "ProductKeyChannel" not in columns[1]
    assert state.product is not None
    assert state.product.channel == "Volume:GVLK"


def test_on_the_oldest_windows_everything_is_asked_for_and_what_is_missing_is_none() -> None:
    windows = FakeWindows(keyed_client())
    windows.missing = {"ProductKeyChannel", "KeyManagementServiceLookupDomain"}
    state = Reader(windows, Scope()).read()
    assert [query[1] is None for query in windows.queries] == [False, True, False, False, True]
    assert state.service.kms_lookup_domain is None
    assert state.product is not None


def test_a_class_that_is_missing_altogether_is_told_as_such() -> None:
    windows = FakeWindows()
    windows.missing = {"SoftwareLicensingProduct"}
    with pytest.raises(CimInvalidClass):
        Reader(windows, Scope()).read()


def test_details_are_read_only_when_asked_for() -> None:
    windows = FakeWindows(keyed_client())
    Reader(windows, Scope()).read()
    assert "OfflineInstallationId" not in (windows.queries[1][1] or ())
    Reader(windows, Scope(), product_type=ProductDetails).read()
    assert "OfflineInstallationId" in (windows.queries[3][1] or ())


def test_an_addon_is_not_the_product_that_is_meant() -> None:
    addon = product(ESU_ID, LicenseIsAddon=True, PartialProductKey="KKKKK", Name="Windows(R), ESU add-on")
    state = Reader(FakeWindows(addon, keyed_client()), Scope()).read()
    assert len(state.products) == 2
    assert state.product is not None
    assert state.product.activation_id == CLIENT_ID


def test_an_addon_can_be_named() -> None:
    addon = product(ESU_ID, LicenseIsAddon=True, PartialProductKey="KKKKK")
    state = Reader(FakeWindows(addon, keyed_client()), Scope(activation_id=ESU_ID)).read()
    assert state.product is not None
    assert state.product.activation_id == ESU_ID


def test_a_product_without_key_can_be_named() -> None:
    state = Reader(FakeWindows(keyed_client()), Scope(activation_id=MAK_ID)).read()
    assert state.product is not None
    assert state.product.partial_product_key is None


@pytest.mark.parametrize("written", [CLIENT_ID.upper(), f"{{{CLIENT_ID}}}", f" {{{CLIENT_ID.upper()}}} "])
def test_an_activation_id_is_found_whatever_its_case_and_braces(written: str) -> None:
    windows = FakeWindows(keyed_client() | {"ID": CLIENT_ID.upper()})
    state = Reader(windows, Scope(activation_id=parse_guid(written))).read()
    assert state.product is not None
    assert state.product.activation_id == CLIENT_ID.upper()


@pytest.mark.parametrize(
    "text", ["", "x", CLIENT_ID[:-1], f"{CLIENT_ID}0", "' OR ID IS NOT NULL", CLIENT_ID + "' OR '"]
)
def test_what_is_no_guid(text: str) -> None:
    assert parse_guid(text) is None


def test_several_products_are_an_error_that_lists_them() -> None:
    word = office(OFFICE_ID, "GCVGB", "Office LTSC Professional Plus 2024")
    visio = office(VISIO_ID, "YY89G", "Visio LTSC Professional 2024")
    state = Reader(FakeWindows(keyed_client(), word, visio), Scope("office")).read()
    with pytest.raises(AmbiguousProduct) as caught:
        state.product  # noqa: B018 - choosing is what fails
    assert list(caught.value.candidates) == [OFFICE_ID, VISIO_ID]
    assert "Visio LTSC Professional 2024" in caught.value.candidates[VISIO_ID]
    for part in (OFFICE_ID, VISIO_ID, "activation_id", "application office"):
        assert part in str(caught.value)


def test_each_application_has_products_of_its_own() -> None:
    windows = FakeWindows(keyed_client(), office(OFFICE_ID, "GCVGB", "Office LTSC Professional Plus 2024"))
    chosen = {name: Reader(windows, Scope(name)).read().product for name in ("windows", "office")}
    assert {name: item.activation_id for name, item in chosen.items() if item} == {
        "windows": CLIENT_ID,
        "office": OFFICE_ID,
    }
    assert len(Reader(windows, Scope("all")).read().products) == 2


def test_a_host_without_any_key_has_no_product() -> None:
    assert Reader(FakeWindows(), Scope()).read().product is None


def test_a_host_whose_service_gives_nothing_is_an_error_with_a_remedy() -> None:
    windows = FakeWindows()
    windows.service = {}
    with pytest.raises(LicensingError) as caught:
        Reader(_Empty(), Scope()).read()
    assert "sppsvc" in caught.value.info.remedy


class _Empty(FakeWindows):
    def query(self, *args: object, **options: object) -> list[object]:  # type: ignore[override]
        return []


@pytest.mark.parametrize(
    ("service_says", "products", "expected"),
    [
        (0, (keyed_client(),), False),
        (0, (keyed_host(),), True),
        (0, (keyed_host(licensed=False),), True),
        (1, (keyed_client(),), True),
        (0xFFFFFFFF, (keyed_client(),), False),
        (None, (), False),
    ],
    ids=["client", "host", "host key not activated", "another product's host key", "not applicable", "no key"],
)
def test_what_makes_a_kms_host(
    service_says: int | None, products: tuple[dict[str, object], ...], expected: bool
) -> None:
    windows = FakeWindows(*products)
    windows.service["IsKeyManagementServiceMachine"] = service_says
    state = Reader(windows, Scope()).read()
    assert state.is_kms_host is expected
    assert is_kms_host(state.service, state.product) is expected


def test_a_key_change_makes_another_product_the_chosen_one() -> None:
    windows = FakeWindows(keyed_client())
    reader = Reader(windows, Scope())
    state = reader.read()
    windows.find(CLIENT_ID)["PartialProductKey"] = None
    windows.find(HOST_ID)["PartialProductKey"] = "HHHHH"
    windows.service["KeyManagementServiceMachine"] = "changed meanwhile"
    again = reader.reread_products(state)
    assert again.product is not None and again.product.activation_id == HOST_ID
    assert again.service == state.service
    assert len(windows.queries) == 3


@pytest.mark.parametrize(("enabled", "expected"), [(1, True), (2, False), (None, False)])
def test_the_firewall_rule_is_enabled_by_one_only(enabled: int | None, expected: bool) -> None:
    windows = FakeWindows(keyed_host())
    windows.firewall[0]["Enabled"] = enabled
    state = Reader(windows, Scope(), with_firewall=True).read()
    assert state.firewall is not None
    assert state.firewall.enabled is expected


def test_of_two_copies_of_the_rule_the_local_one_counts() -> None:
    windows = FakeWindows(keyed_host())
    by_policy = {"InstanceID": "SPPSVC-In-TCP", "Enabled": 1, "PolicyStoreSourceType": 2}
    windows.firewall.insert(0, by_policy)
    state = Reader(windows, Scope(), with_firewall=True).read()
    assert state.firewall is not None
    assert not state.firewall.enabled
    assert state.firewall.reference.selectors == {"Index": "1"}


def test_the_publish_list_is_read_when_asked_for() -> None:
    windows = FakeWindows(keyed_host())
    reader = Reader(windows, Scope(), with_publish_domains=True)
    assert reader.read().publish_domains == ()
    windows.publish_list = ["corp.example, 1, 2"]
    assert reader.read().publish_domains == (PublishDomain("corp.example", 1, 2),)
    assert windows.calls == []
