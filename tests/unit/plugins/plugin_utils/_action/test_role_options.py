# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What roles say of wrong options, and that what is empty is never wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.winops.kms.plugins.filter.option_problems import FilterModule
from ansible_collections.winops.kms.plugins.plugin_utils._action.role_options import KINDS, problems

CSVLK = "N2222-22222-22222-22222-HK222"
GVLK = "NPPR9-FWDCX-D2C8J-H872K-2YT43"

#: Kind -> values that are right, and values that are wrong, each with a word of the message.
VALUES: dict[str, tuple[Sequence[Any], Sequence[tuple[Any, str]]]] = {
    "flag": (
        [True, False, "true", "False", "yes", "no", 0, 1],
        [("perhaps", "neither true nor false"), (2, "neither"), ([], "neither")],
    ),
    "text": (["x", " ", 1], [([], "no text"), ({}, "no text")]),
    "port": (
        [1, 65535, "1688"],
        [
            (0, "1 to 65535"),
            (65536, "1 to 65535"),
            ("text", "text"),
            (True, "no whole number"),
            (1.5, "1.5"),
            ([], "no"),
        ],
    ),
    "minutes": ([15, "43200"], [(14, "15 to 43200"), ("two hours", "two hours")]),
    "word16": ([0, "65535"], [(-1, "0 to 65535"), (65536, "0 to 65535")]),
    "seconds": ([0, 300, "5"], [(-1, "whole number"), ("soon", "soon")]),
    "times": ([0, 2], [("often", "often")]),
    "ttl": ([0, 3600], [(2**31, "whole number")]),
    "key": ([GVLK, CSVLK.lower()], [("NPPR9-FWDCX", "five groups"), (12345, "five groups")]),
    "host_key": ([CSVLK, f" {CSVLK} "], [(GVLK, "client setup key"), ("none of your business", "five groups")]),
    "host_keys": ([[CSVLK], f"{CSVLK}\n{CSVLK}", []], [([CSVLK, GVLK], "client setup key"), (5, "no list")]),
    "guid": (["11111111-2222-3333-4444-555555555555"], [("11111111", "GUID")]),
    "kms_server": (
        ["kms.corp.example", "kms", "192.0.2.1", "[2001:db8::1]"],
        [("kms corp", "not a host name"), ("kms:1688", "colon"), ("https://kms", "not a host name")],
    ),
    "zone": (["corp.example", "corp.example."], [("corp..example", "not a DNS name"), ("192.0.2.1", "address")]),
    "zones": (
        [["corp.example", {"zone": "a.example", "priority": 10}], "a.example, b.example", [], [{"what": 1}]],
        [
            (["a..example"], "a..example"),
            ("a.example b..example", "b..example"),
            ([{"domain": "a b"}], "a b"),
            ([{"zone": "a.example", "weight": "heavy"}], "heavy"),
        ],
    ),
    "host_name": (["kms1", "kms1.corp.example"], [("192.0.2.1", "address"), ("kms 1", "not a DNS name")]),
    "host_names": ([["kms1"], "kms1,kms2.corp.example", []], [(["kms 1"], "kms 1"), ({"kms1": 1}, "no list")]),
    "dns_server": (
        ["192.0.2.1", "2001:db8::1", "ns1.corp.example"],
        [("ns1:53", "neither a host name nor an address")],
    ),
    "dns_servers": (
        [["ns1", {"server": "192.0.2.1", "port": 5353}], "ns1 ns2", []],
        [([{"port": 53}], "neither a name"), ([{"server": "ns1", "port": 0}], "1 to 65535"), (["a..b"], "a..b")],
    ),
    "publish_domains": (
        [[], [{"domain": "corp.example"}, {"domain": "b.example", "priority": "10", "weight": 5}]],
        [
            ("corp.example", "no list of dictionaries"),
            ([{"priority": 1}], "no dictionary with a domain"),
            ([{"domain": "a..example"}], "not a DNS domain name"),
            ([{"domain": "a.example", "ttl": 5}], "ttl"),
            ([{"domain": "a.example", "weight": -1}], "0 to 65535"),
            ([{"domain": "a.example"}, {"domain": "A.example."}], "twice"),
        ],
    ),
    "texts": ([["a"], "a b", []], [([{}], "no text"), (3, "no list")]),
    "file_mode": (["0640", "640", 640, "u=rw,g=r"], [("rw", "no mode of a file"), (8, "no mode")]),
    "facts": ([{}, []], []),
    "serial": ([5, "10", "25%", "100%", "0"], [("many", "such as 25%"), (1.5, "1.5"), ("101%", "101%"), ("-1", "-1")]),
}


def said(kind: Any, value: Any) -> list[str]:
    return problems({"role_option": kind}, {"role_option": value})


def test_every_kind_has_values() -> None:
    assert set(VALUES) == set(KINDS)


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, (good, _bad) in VALUES.items() for value in good])
def test_right_values(kind: str, value: Any) -> None:
    assert said(kind, value) == []


@pytest.mark.parametrize(
    ("kind", "value", "word"), [(kind, *row) for kind, (_good, bad) in VALUES.items() for row in bad]
)
def test_wrong_values(kind: str, value: Any, word: str) -> None:
    (message,) = said(kind, value)
    assert message.startswith("role_option: ")
    assert message.endswith(".")
    assert word in message
    assert "FWDCX-D2C8J" not in message


@pytest.mark.parametrize("kind", [*KINDS, ["one", "two"]], ids=str)
@pytest.mark.parametrize("empty", ["", None])
def test_what_is_empty_is_not_given(kind: Any, empty: Any) -> None:
    assert said(kind, empty) == []
    assert problems({"role_option": kind}, {}) == []


def test_choices() -> None:
    assert said(["one", "two"], "two") == []
    (message,) = said(["one", "two"], "three")
    assert message == "role_option: 'three' is none of one, two. Give another value, or leave it empty for the default."


def test_one_sentence_for_each_option_in_order() -> None:
    found = problems({"b": "port", "a": "flag"}, {"a": "perhaps", "b": "text", "c": "unknown"})
    assert [message.partition(":")[0] for message in found] == ["b", "a"]


@pytest.mark.parametrize(("values", "kinds"), [([], {}), ({}, []), ({}, {"x": "no such kind"})])
def test_the_filter_refuses_what_it_does_not_know(values: Any, kinds: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="option_problems"):
        FilterModule().filters()["option_problems"](values, kinds)
