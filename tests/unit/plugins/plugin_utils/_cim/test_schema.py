# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._cim.schema import (
    CimClass,
    Instance,
    Reference,
    none_if_unset,
)


def test_uris() -> None:
    rule = CimClass("root/StandardCimv2", "MSFT_NetFirewallRule", {})
    base = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/StandardCimv2/"
    assert (rule.uri, rule.query_uri) == (f"{base}MSFT_NetFirewallRule", f"{base}*")


@pytest.mark.parametrize(
    ("namespace", "name"),
    [("root\\cimv2", "X"), ("root/cimv2/", "X"), ("", "X"), ("root/cimv2", "X Y"), ("root/cimv2", "X\n"), ("r/c", "")],
)
def test_bad_names_are_refused(namespace: str, name: str) -> None:
    with pytest.raises(ValueError, match=r"namespace|class"):
        CimClass(namespace, name, {})


def test_class_is_hashable_by_identity() -> None:
    assert len({CimClass("root/cimv2", "X", {"a": "string"}), CimClass("root/cimv2", "X", {})}) == 1


def test_instance_ignores_case_and_keeps_spelling() -> None:
    instance = Instance({"PartialProductKey": "2X3Y4", "Description": None})
    assert instance["partialproductkey"] == "2X3Y4"
    assert "PARTIALPRODUCTKEY" in instance
    assert list(instance) == ["PartialProductKey", "Description"]
    assert instance.get("Nothing") is None
    assert instance == {"PartialProductKey": "2X3Y4", "Description": None}
    with pytest.raises(KeyError, match="Nothing"):
        instance["Nothing"]


def test_instance_repr_shows_no_values() -> None:
    assert "SECRET" not in repr(Instance({"Key": "SECRET"}, "X"))


def test_reference_is_hashable_and_knows_its_class() -> None:
    reference = Reference("http://x/root/cimv2/Win32_Service", {"Name": "sppsvc"})
    assert reference.class_name == "Win32_Service"
    assert len({reference, Reference("http://x/root/cimv2/Win32_Service", {"Name": "sppsvc"})}) == 1


@pytest.mark.parametrize(
    ("value", "expected"), [(4294967295, None), (-1, None), (None, None), (0, 0), (4294967294, 4294967294)]
)
def test_none_if_unset(value: int | None, expected: int | None) -> None:
    assert none_if_unset(value) == expected
