# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets stay out of everything that leaves a task."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._action.secrets import Secrets
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import CSVLK

MASK = "********"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (CSVLK, MASK),
        (f"before {CSVLK} after", f"before {MASK} after"),
        (f"{CSVLK}{CSVLK}", MASK + MASK),
        (CSVLK.lower(), MASK),
        (CSVLK.title(), MASK),
        (CSVLK.replace("-", "\u2013"), MASK),
        ([CSVLK, {"deep": (CSVLK,)}], [MASK, {"deep": [MASK]}]),
        ({CSVLK: 1, f"x {CSVLK}": {CSVLK: CSVLK}}, {MASK: 1, f"x {MASK}": {MASK: MASK}}),
        ("*****-HHHHH", "*****-HHHHH"),
        (5, 5),
        (None, None),
        (True, True),
        ("", ""),
    ],
)
def test_hide(value: Any, expected: Any) -> None:
    assert Secrets([CSVLK]).hide(value) == expected


@pytest.mark.parametrize("typed", [CSVLK.lower(), f" {CSVLK}\n", CSVLK.replace("-", "\u2013")])
def test_a_key_is_hidden_as_it_was_understood_too(typed: str) -> None:
    secrets = Secrets([typed])
    assert secrets.hide(f"{CSVLK} {typed}").replace(MASK, "").strip() == ""


def test_the_longest_secret_goes_first() -> None:
    assert Secrets(["abc", "abcdef"]).hide("abcdef abc") == f"{MASK} {MASK}"


def test_characters_that_mean_something_in_patterns_are_plain() -> None:
    secrets = Secrets([r"a.*b\d["])
    assert secrets.hide(r"xx a.*b\d[ axxb1") == f"xx {MASK} axxb1"


@pytest.mark.parametrize("values", [[], [""], ["  "]])
def test_without_secrets_nothing_changes(values: list[str]) -> None:
    assert Secrets(values).hide({"a": ["b", 1]}) == {"a": ["b", 1]}


def test_what_comes_out_is_of_plain_types() -> None:
    class Tagged(str):
        """As ansible-core marks texts with their origin."""

    for secrets in (Secrets([]), Secrets([CSVLK])):
        result = secrets.hide({Tagged("a"): [Tagged("b")]})
        assert [type(text) for text in (*result, *result["a"])] == [str, str]
