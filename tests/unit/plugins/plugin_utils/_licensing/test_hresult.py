# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of HRESULTs, and what the user is told about a fault."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import (
    CimAccessDenied,
    CimFault,
    CimInvalidClass,
    CimMethodError,
    CimQuotaError,
    CimTimedOut,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.faults import error_from_fault
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.hresult import (
    NOT_ENOUGH_COUNT,
    describe,
    hex_code,
    is_known,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.tables import rows

POINTER = re.compile(r"(?i)\b(as|see|same( condition)? as) (0x|above|below|article|meaning)|not read here")
# The switches of the scripts and tools that this collection replaces.  DISM and sysprep have no replacement.
OLD_WAYS = re.compile(r"(?i)\b(slmgr|ospp|vamt|slui|cscript|vbs)\b|(?<![\w:/])/[a-z-]{2,}\b")
SWITCHES_OF_WINDOWS = ("sysprep /generalize", "DISM /Online /Set-Edition", "w32tm /resync")
ROOT = Path(__file__).parents[5]
GERMAN = "Der Schluesselverwaltungsdienst ist nicht verfuegbar."


@pytest.mark.parametrize("code", [3221549112, -1073418184, 0xC004F038])
def test_signed_and_unsigned_codes_are_the_same(code: int) -> None:
    assert hex_code(code) == "0xC004F038"
    assert is_known(code)
    assert describe(code).name == "SL_E_VL_NOT_ENOUGH_COUNT"


def test_the_table_is_complete_and_well_formed() -> None:
    table = rows("hresult")
    assert len(table) == 452
    assert len({row["code"] for row in table}) == 452
    for row in table:
        assert re.fullmatch(r"0x[0-9A-F]{8}", row["code"])
        assert row["meaning"], row["code"]
        assert row["remedy"], row["code"]
        assert row["symbol"] == "" or re.fullmatch(r"\w+", row["symbol"]), row["code"]
        # The table stands for itself: a user can't follow a reference into the material that it was made from.
        for column in ("meaning", "cause", "remedy"):
            assert not POINTER.search(row[column]), f"{row['code']}: {row[column]}"


def test_what_to_do_is_said_in_words_of_this_collection() -> None:
    for row in rows("hresult"):
        for column in ("meaning", "cause", "remedy"):
            text = row[column]
            for switch in SWITCHES_OF_WINDOWS:
                text = text.replace(switch, "")
            assert not OLD_WAYS.search(text), f"{row['code']}: {row[column]}"


def test_modules_and_options_that_a_remedy_names_exist() -> None:
    contents = {
        path.stem for folder in ("plugins/modules", "playbooks", "roles") for path in (ROOT / folder).glob("[a-z]*")
    }
    options = {name for spec in vars(specs).values() if isinstance(spec, specs.ArgumentSpec) for name in spec.options}
    for row in rows("hresult"):
        named = set(re.findall(r"(?<![\w.-])[a-z]+_[a-z_]+\b(?!\.)", row["remedy"]))
        assert named - contents - options <= {"_vlmcs"}, row["code"]


@pytest.mark.parametrize(
    ("code", "name", "in_remedy"),
    [
        (NOT_ENOUGH_COUNT, "SL_E_VL_NOT_ENOUGH_COUNT", "license_info"),
        (0xC004F074, "SL_E_VL_BINDING_SERVICE_UNAVAILABLE", "1688"),
        (0x8007232B, "DNS_ERROR_RCODE_NAME_ERROR", "publish_dns"),
        (0xC004C008, "SL_E_CHPA_MAXIMUM_UNLOCK_EXCEEDED", "Licensing Activation Center"),
        (0xC004F069, "SL_E_MISMATCHED_PRODUCT_SKU", "gvlk"),
    ],
)
def test_the_common_errors_say_what_to_do(code: int, name: str, in_remedy: str) -> None:
    info = describe(code)
    assert (info.code, info.name) == (hex_code(code), name)
    assert in_remedy in info.remedy


def test_an_unknown_code_keeps_the_words_of_the_host_and_says_where_to_look() -> None:
    info = describe(0xC0DE0001, fallback=GERMAN)
    assert info.code == "0xC0DE0001"
    assert info.name is None
    assert info.message == GERMAN
    assert "0xC0DE0001" in info.remedy
    assert describe(0xC0DE0001).message


def test_a_known_code_is_never_told_in_the_language_of_the_host() -> None:
    error = error_from_fault(CimFault(GERMAN, code=0xC004F074, provider_code=0xC004F074))
    assert error.info.name == "SL_E_VL_BINDING_SERVICE_UNAVAILABLE"
    assert GERMAN not in str(error)


def test_access_denied_speaks_of_remote_rights_not_of_elevation() -> None:
    error = error_from_fault(CimAccessDenied("Zugriff verweigert", code=0x80070005))
    assert error.info.code == "0x80070005"
    assert "LocalAccountTokenFilterPolicy" in error.info.remedy


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (CimInvalidClass("Ungueltig", code=0x8033801A), "WMI repository"),
        (CimQuotaError("Kontingent", code=0x803381A6), "quota"),
        (CimTimedOut("Zeitlimit", code=0x80338029), "license_info"),
        (CimAccessDenied("Zugriff verweigert"), "Administrators"),
    ],
)
def test_a_fault_of_winrm_is_told_by_its_kind(fault: CimFault, word: str) -> None:
    error = error_from_fault(fault)
    assert word in f"{error}"
    assert fault.reason in f"{error}"
    assert error.info.code == (hex_code(fault.code) if fault.code else None)


def test_the_return_value_of_a_method_is_an_hresult_too() -> None:
    error = error_from_fault(CimMethodError("Activate did not succeed", code=NOT_ENOUGH_COUNT))
    assert error.info.code == "0xC004F038"


def test_a_fault_without_number_keeps_its_words() -> None:
    error = error_from_fault(CimFault(f"  {GERMAN} \n"))
    assert error.info.code is None
    assert GERMAN in str(error)


def test_the_text_of_an_error_has_each_part_once() -> None:
    text = str(error_from_fault(CimFault(GERMAN, code=0xC004F074)))
    assert text.startswith("0xC004F074 SL_E_VL_BINDING_SERVICE_UNAVAILABLE: ")
    assert ".." not in text
    assert text.count("SL_E_VL_BINDING_SERVICE_UNAVAILABLE") == 1
