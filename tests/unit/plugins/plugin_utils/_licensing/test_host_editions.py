# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A KMS host key is not sent to a Windows that takes none."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._licensing.editions import is_azure_edition, is_evaluation
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import LicensingError
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.host import HostWish, configure_host
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.keys import ProductKey
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import (
    CSVLK,
    FakeWindows,
    keyed_client,
    keyed_host,
)

KEY = ProductKey.parse(CSVLK)


def with_edition(edition: str) -> dict[str, Any]:
    return keyed_client(Name=f"Windows(R), {edition} edition", LicenseFamily=edition)


def install(windows: FakeWindows, *, check: bool = False, application: str = "windows", **wish: Any) -> None:
    configure_host(windows.applier(application), HostWish(key=KEY, **wish), check=check)


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("edition", "text"),
    [
        ("ServerTurbine", r"Azure Edition \(ServerTurbine\) can't be a KMS host.*Standard or Datacenter"),
        ("ServerTurbineCor", "can't be a KMS host"),
        ("ServerStandardEval", r"evaluation edition \(ServerStandardEval\).*DISM"),
        ("ServerDatacenterEvalCor", "evaluation edition"),
        ("EnterpriseEval", "evaluation edition"),
    ],
)
def test_a_host_key_is_refused_by_the_edition_of_the_product(edition: str, text: str, check: bool) -> None:
    windows = FakeWindows(with_edition(edition))
    with pytest.raises(LicensingError, match=text):
        install(windows, check=check)
    assert windows.calls == []
    assert [name for name, _columns, _where in windows.queries] == [
        "SoftwareLicensingService",
        "SoftwareLicensingProduct",
    ], "the edition is known from what is read anyway"


@pytest.mark.parametrize(("sku", "text"), [(407, "can't be a KMS host"), (79, "evaluation edition")])
def test_a_machine_without_any_key_is_asked_for_its_edition(sku: int, text: str) -> None:
    windows = FakeWindows()
    windows.operating_system["OperatingSystemSKU"] = sku
    with pytest.raises(LicensingError, match=rf"{text}|OperatingSystemSKU {sku}"):
        install(windows)
    assert windows.calls == []


@pytest.mark.parametrize("windows", [FakeWindows(), FakeWindows(keyed_client(licensed=False))])
def test_other_editions_take_it(windows: FakeWindows) -> None:
    install(windows)
    assert "InstallProductKey" in windows.methods


def test_a_host_that_has_the_key_is_not_asked() -> None:
    windows = FakeWindows(keyed_host())
    install(windows)
    assert "Win32_OperatingSystem" not in {name for name, _columns, _where in windows.queries}


def test_nothing_is_refused_to_one_that_shall_be_none() -> None:
    configure_host(FakeWindows(with_edition("ServerTurbine")).applier(), HostWish(present=False), check=False)


@pytest.mark.parametrize("edition", ["ServerStandard", "ServerDatacenter", "Enterprise", "EnterpriseS", "Evaluator"])
def test_volume_editions_are_neither(edition: str) -> None:
    assert not is_evaluation([edition], 7)
    assert not is_azure_edition([edition], 7)
