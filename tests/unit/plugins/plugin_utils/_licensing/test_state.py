# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""State: WMI properties -> typed values."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._cim.schema import Instance
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.state import (
    LICENSE_STATUS,
    PRODUCT_CLASS,
    SERVICE_CLASS,
    OperatingSystem,
    Product,
    ProductDetails,
    Service,
    column_sets,
    from_instance,
)

KEYED = {"ID": "x", "ApplicationID": "y", "PartialProductKey": "VMK7H"}
NOT_APPLICABLE = 0xFFFFFFFF


def product(**properties: Any) -> Product:
    return from_instance(Product, Instance({**KEYED, **properties}))


def service(**properties: Any) -> Service:
    return from_instance(Service, Instance({"Version": "10.0.20348.2227", **properties}))


@pytest.mark.parametrize(
    ("description", "channel"),
    [
        ("Windows Operating System - Windows(R) 7, VOLUME_KMSCLIENT channel", "Volume:GVLK"),
        ("Windows Operating System - Windows Server(R), VOLUME_KMS_R2_C channel", "Volume:CSVLK"),
        ("Windows(R) Operating System, VOLUME_KMS channel", "Volume:CSVLK"),
        ("Windows Operating System - Windows(R) 7, VOLUME_MAK channel", "Volume:MAK"),
        ("Office 14, RETAIL(MAK - AE) channel", "Volume:MAK"),
        ("Windows(R), VIRTUAL_MACHINE_ACTIVATION channel", "Volume:AVMA"),
        ("Windows Operating System - Windows(R) 7, RETAIL channel", "Retail"),
        ("Windows Operating System - Windows(R) 7, OEM_SLP channel", "OEM"),
        ("windows(r) operating system, volume_kmsclient channel", "Volume:GVLK"),
        ("Windows(R), TIMEBASED_EVAL channel", None),
        (None, None),
    ],
)
def test_before_windows_8_1_the_description_tells_the_channel(description: str | None, channel: str | None) -> None:
    assert product(Description=description).channel == channel


def test_a_product_without_key_has_no_channel() -> None:
    seen = product(Description="Windows(R), VOLUME_KMSCLIENT channel", PartialProductKey=None)
    assert seen.channel is None
    assert seen.key_channel is None
    assert not seen.is_kms_client


def test_the_channel_that_windows_names_goes_before_the_description() -> None:
    assert product(ProductKeyChannel="Volume:MAK", Description="VOLUME_KMSCLIENT channel").channel == "Volume:MAK"


@pytest.mark.parametrize(
    ("channel", "word"),
    [
        ("Volume:GVLK", "gvlk"),
        ("Volume:CSVLK", "csvlk"),
        ("Volume:MAK", "mak"),
        ("Retail", "retail"),
        ("Retail:TB:Eval", "retail"),
        ("OEM:DM", "oem"),
    ],
)
def test_the_channel_in_one_word(channel: str, word: str) -> None:
    assert product(ProductKeyChannel=channel).key_channel == word


@pytest.mark.parametrize("value", [NOT_APPLICABLE, -1, None])
def test_a_counter_that_does_not_apply_is_none(value: int | None) -> None:
    assert service(KeyManagementServiceCurrentCount=value).current_count is None
    assert product(KeyManagementServiceCurrentCount=value, RequiredClientCount=value).required_count is None


def test_a_counter_of_zero_is_zero() -> None:
    assert service(KeyManagementServiceCurrentCount=0).current_count == 0


@pytest.mark.parametrize("value", [0, None, NOT_APPLICABLE])
def test_a_port_that_is_not_set_is_none(value: int | None) -> None:
    assert service(KeyManagementServicePort=value).kms_port is None
    assert service(KeyManagementServiceListeningPort=value).listening_port is None


@pytest.mark.parametrize("value", ["", None])
def test_a_text_that_is_not_set_is_none(value: str | None) -> None:
    assert service(KeyManagementServiceMachine=value).kms_server is None


@pytest.mark.parametrize(
    ("status", "minutes", "days"),
    [
        (1, 259200, 180),
        (1, 259199, 180),
        (1, 1441, 2),
        (1, 1440, 1),
        (1, 1, 1),
        (1, 0, None),
        (5, 0, 0),
        (2, 43200, 30),
        (0, None, None),
    ],
)
def test_days_are_rounded_up_and_none_means_never(status: int, minutes: int | None, days: int | None) -> None:
    assert product(LicenseStatus=status, GracePeriodRemaining=minutes).days_remaining == days


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (0, "unlicensed"),
        (1, "licensed"),
        (2, "oob_grace"),
        (3, "oot_grace"),
        (4, "non_genuine_grace"),
        (5, "notification"),
        (6, "extended_grace"),
        (7, "unknown (7)"),
        (-1, "unknown (-1)"),
        (None, "unknown (None)"),
    ],
)
def test_status_words(code: int | None, word: str) -> None:
    assert product(LicenseStatus=code).status == word
    assert product(LicenseStatus=code).licensed is (code == 1)


def test_there_are_seven_status_words() -> None:
    assert len(set(LICENSE_STATUS)) == 7


@pytest.mark.parametrize(
    ("code", "word"),
    [(0, "any"), (1, "ad"), (2, "kms"), (3, "token"), (4, None), (None, "any"), (NOT_APPLICABLE, "any")],
)
def test_activation_types(code: int | None, word: str | None) -> None:
    assert product(VLActivationTypeEnabled=code).activation_type == word


@pytest.mark.parametrize(
    ("version", "build"),
    [("10.0.20348.2227", 20348), ("6.1.7601.17514", 7601), ("10.0", None), ("", None), ("unknown", None)],
)
def test_the_build_is_the_third_number_of_the_version(version: str, build: int | None) -> None:
    assert service(Version=version).build == build


def test_the_year_1601_is_no_date() -> None:
    assert PRODUCT_CLASS.fields["EvaluationEndDate"] == "datetime"
    none = datetime(1601, 1, 1, tzinfo=timezone.utc)
    some = datetime(2027, 3, 4, tzinfo=timezone.utc)
    seen = from_instance(ProductDetails, Instance({**KEYED, "EvaluationEndDate": none, "TrustedTime": some}))
    assert seen.evaluation_end_date is None
    assert seen.trusted_time == some


def test_a_property_that_the_host_does_not_send_counts_as_null() -> None:
    seen = from_instance(Product, Instance({"ID": "x", "ApplicationID": "y"}))
    assert seen.partial_product_key is None
    assert seen.status_code is None


@pytest.mark.parametrize("state", [Service, Product, ProductDetails, OperatingSystem])
def test_the_key_of_the_firmware_is_never_asked_for(state: Any) -> None:
    for columns in column_sets(state):
        assert not any("OA3" in column for column in columns or ())


def test_column_sets_go_from_the_newest_windows_to_the_oldest() -> None:
    newest, windows_8, everything = column_sets(Product)
    assert newest is not None and windows_8 is not None
    assert set(newest) - set(windows_8) == {"ProductKeyChannel"}
    assert everything is None
    assert column_sets(Service)[-1] is None


@pytest.mark.parametrize(("cim_class", "state"), [(SERVICE_CLASS, Service), (PRODUCT_CLASS, ProductDetails)])
def test_every_column_has_its_type_and_the_key_is_read(cim_class: Any, state: Any) -> None:
    columns = column_sets(state)[0]
    assert columns is not None
    assert set(columns) <= set(cim_class.fields)
    assert set(cim_class.keys) <= set(columns)
    assert {item.metadata["type"] for item in dataclasses.fields(state)} <= {"string", "uint32", "boolean", "datetime"}


def test_two_fields_never_read_one_property() -> None:
    for state in (Service, ProductDetails):
        names = [item.metadata["wmi"] for item in dataclasses.fields(state)]
        assert len(names) == len(set(names)), json.dumps(names)
