# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Product keys: shapes, masking, and which public client setup key belongs to which Windows."""

from __future__ import annotations

import traceback

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import InvalidOption
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.keys import (
    KEY_ALPHABET,
    ProductKey,
    find_gvlk,
    gvlk_table,
    published_gvlks,
)
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import CSVLK, SERVER_GVLK


@pytest.mark.parametrize(
    "text",
    [
        SERVER_GVLK,
        SERVER_GVLK.lower(),
        f"  {SERVER_GVLK}\n",
        SERVER_GVLK.replace("-", "\u2013"),
        SERVER_GVLK.replace("-", "\u2011"),
        SERVER_GVLK.replace("-", "\u2212"),
    ],
    ids=["as printed", "lower case", "blanks around", "en dashes", "non-breaking hyphens", "minus signs"],
)
def test_a_key_is_understood_however_it_was_pasted(text: str) -> None:
    assert ProductKey.parse(text).secret == SERVER_GVLK


@pytest.mark.parametrize(
    "text",
    [
        "",
        "VDYBN",
        SERVER_GVLK[:-1],
        SERVER_GVLK + "2",
        SERVER_GVLK + "-22222",
        SERVER_GVLK.replace("-", ""),
        SERVER_GVLK.replace("-", " "),
        SERVER_GVLK.replace("V", "_"),
        SERVER_GVLK.replace("V", "\u00c9"),
    ],
)
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        ProductKey.parse(text)
    assert caught.value.option == "key"
    shown = f"{caught.value} {caught.value.info} {''.join(traceback.format_exception(caught.value, chain=True)[-1:])}"
    for group in {group for group in text.split("-") if len(group) == 5}:
        assert group not in shown


def test_the_error_names_the_option_that_held_the_key() -> None:
    with pytest.raises(InvalidOption, match=r"^host_key: "):
        ProductKey.parse("x", option="host_key")


@pytest.mark.parametrize("character", list("AEIOUSLZ015"))
def test_a_character_that_no_published_key_has_is_noticed(character: str) -> None:
    assert ProductKey.parse(f"{character}{CSVLK[1:]}").odd_characters == character
    assert ProductKey.parse(CSVLK).odd_characters == ""


def test_only_the_last_five_characters_are_ever_shown() -> None:
    key = ProductKey.parse(CSVLK)
    for shown in (repr(key), str(key), f"{key}", f"{[key]}", f"{key!r:>60}", key.masked):
        assert "BBBBB" not in shown
        assert "HHHHH" in shown
    assert key.partial == "HHHHH"
    assert key.masked == "*****-*****-*****-*****-HHHHH"


def test_only_published_keys_are_client_setup_keys() -> None:
    assert ProductKey.parse(SERVER_GVLK.lower()).is_gvlk
    assert not ProductKey.parse(CSVLK).is_gvlk


def test_every_row_of_the_table_is_a_key_for_something() -> None:
    table = gvlk_table()
    assert len(table) == 130
    for row in table:
        assert ProductKey.parse(row.key.secret) == row.key
        assert set(row.key.secret) <= KEY_ALPHABET | {"-"}
        assert row.threshold in (5, 25)
        if not row.builds:
            assert row.product.startswith("Office"), "only Office is not told by the build of Windows"
            continue
        assert row.edition_id
        assert row.operating_system_skus
        first = int(row.builds.rstrip("+").split("|")[0])
        assert row.covers(first)
        assert not row.covers(first - 1)
    assert len(published_gvlks()) == 130
    # The last five characters are all that Windows shows: two keys that share them could not be told apart.
    assert len({row.key.partial for row in table}) == 130


def test_thresholds_are_25_for_windows_clients_and_5_for_the_rest() -> None:
    for row in gvlk_table():
        client = row.product.startswith("Windows") and "Server" not in row.product
        assert row.threshold == (25 if client else 5), row.product


@pytest.mark.parametrize(
    ("build", "edition", "partial"),
    [
        (26100, "ServerStandard", "MY832"),
        (26100, "ServerTurbine", "8MCRC"),
        (20348, "ServerStandard", "VMK7H"),
        (20348, "serverdatacenter", "6VM33"),
        (17763, "ServerStandard", "J464C"),
        (17763, "ServerStandardACor", "724CC"),
        (14393, "ServerDatacenter", "8XDDG"),
        (9600, "ServerStandard", "MDVJX"),
        (9200, "ServerStandard", "92BT4"),
        (7601, "ServerStandard", "R7VHC"),
        (7601, "Enterprise", "HVTHH"),
        (9200, "Professional", "J8CK4"),
        (9600, "Professional", "9D6T9"),
        (10240, "Enterprise", "2YT43"),
        (22631, "Enterprise", "2YT43"),
        (26100, "Professional", "T83GX"),
        (26100, "EnterpriseS", "J462D"),
        (19044, "EnterpriseS", "J462D"),
        (14393, "EnterpriseS", "QJ4BJ"),
        (10240, "EnterpriseS", "76DF9"),
        (19044, "IoTEnterpriseS", "PDQGT"),
    ],
)
def test_the_key_follows_edition_and_build(build: int, edition: str, partial: str) -> None:
    found = find_gvlk(build=build, edition_ids=(edition,))
    assert found is not None
    assert found.key.partial == partial


@pytest.mark.parametrize(
    ("build", "sku", "partial"),
    [
        (20348, 7, "VMK7H"),
        (20348, 13, "VMK7H"),
        (20348, 8, "6VM33"),
        (20348, 12, "6VM33"),
        (22631, 48, "T83GX"),
        (26100, 125, "J462D"),
    ],
    ids=str,
)
def test_a_machine_without_any_key_is_known_by_its_sku(build: int, sku: int, partial: str) -> None:
    found = find_gvlk(build=build, sku=sku)
    assert found is not None
    assert found.key.partial == partial


def test_a_row_that_names_the_build_goes_before_one_for_later_builds() -> None:
    both = find_gvlk(build=26100, edition_ids=("Enterprise", "EnterpriseS"))
    assert both is not None
    assert both.edition_id == "EnterpriseS"


@pytest.mark.parametrize(
    ("build", "edition"),
    [
        (20348, "ServerStandardEval"),
        (22631, "Core"),
        (20349, "ServerStandard"),
        (22631, "EnterpriseS"),
        (7601, "Core"),
        (20348, ""),
    ],
)
def test_no_key_for_what_microsoft_publishes_none(build: int, edition: str) -> None:
    assert find_gvlk(build=build, edition_ids=(edition,)) is None


def test_without_edition_and_sku_no_key_is_guessed() -> None:
    assert find_gvlk(build=20348) is None


def test_every_combination_of_build_and_edition_is_unique() -> None:
    rows = [row for row in gvlk_table() if row.builds]
    for row in rows:
        build = int(row.builds.rstrip("+").split("|")[0])
        same = [other for other in rows if other.edition_id == row.edition_id and other.builds == row.builds]
        assert same == [row]
        found = find_gvlk(build=build, edition_ids=(row.edition_id,))
        assert found is not None
        assert found.edition_id == row.edition_id
