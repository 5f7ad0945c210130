# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as page, table and JSON: hostile names, bounded size."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._report.charts import percent
from ansible_collections.winops.kms.plugins.plugin_utils._report.document import build_report
from ansible_collections.winops.kms.plugins.plugin_utils._report.markup import Safe, join, tag
from ansible_collections.winops.kms.plugins.plugin_utils._report.page import COLUMNS as SHOWN
from ansible_collections.winops.kms.plugins.plugin_utils._report.page import MAX_LINES, STATIC_ROWS
from ansible_collections.winops.kms.plugins.plugin_utils._report.render import render
from ansible_collections.winops.kms.plugins.plugin_utils._report.rows import COLUMNS, Row
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._report.fleet import (
    DENIED,
    TIME,
    UNREACHABLE,
    a_license,
    answer,
    kms_host,
)

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;{{ 7 * 7 }}"


class Page(HTMLParser):
    """Elements with attributes, and texts; complains of elements that are not closed as they were opened."""

    VOID = {"meta", "link", "input"}

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts.append(data)
        elif data.strip():
            self.texts.append(data)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for element, attributes in self.elements if element == name]


def report(results: dict[str, Any]) -> dict[str, Any]:
    return build_report(results, title="Fleet", time=TIME)


FLEET = {
    "pc1": answer(a_license(), machine="one"),
    "pc2": answer(a_license(status="notification", status_reason="0xC004F074", days_remaining=0), machine="one"),
    "off": UNREACHABLE,
    "denied": DENIED,
    "kms1": kms_host(17),
    "kms2": kms_host(None),
}


def hostile() -> dict[str, Any]:
    """A fleet in which every text that a machine can choose is an attack."""
    texts = {name: EVIL for name in ("name", "edition", "application", "channel", "status", "kms_server")}
    return {
        EVIL: answer(a_license(**texts), machine=EVIL, service={"version": EVIL, "client_machine_id": EVIL}),
        EVIL + "2": answer(a_license(), machine=EVIL),
        EVIL + "off": {"unreachable": True, "msg": EVIL},
        EVIL + "bad": {"msg": EVIL, "error": {"code": EVIL, "name": EVIL, "message": EVIL, "remedy": EVIL}},
        EVIL + "kms": kms_host(3),
    }


def test_no_text_of_a_machine_becomes_markup() -> None:
    page = Page(render({**report(hostile()), "title": EVIL, "time": EVIL}, "html"))
    assert page.all("img") == []
    assert len(page.all("script")) == 2
    assert not [name for _tag, attributes in page.elements for name in attributes if name.startswith("on")]
    assert any("<img src=x onerror=alert(2)>" in text for text in page.texts), "it is shown, as text"
    data = json.loads(page.scripts[0])
    assert any("onerror=alert(2)" in text for text in data["texts"])


def test_the_page_names_no_other_place() -> None:
    text = render(report(FLEET), "html")
    page = Page(text)
    places = [
        value
        for _tag, attributes in page.elements
        for name, value in attributes.items()
        if name in ("src", "href", "action", "data", "poster", "srcset", "style", "xlink:href")
    ]
    assert set(places) == {"#hosts", "data:,"}
    assert not re.search(r"url\(|@import|https?:|//[a-z]", text.replace("http-equiv", ""))


def test_the_policy_lets_the_pages_own_style_and_script_run_and_nothing_else() -> None:
    text = render(report(FLEET), "html")
    (policy,) = [one["content"] for one in Page(text).all("meta") if one.get("http-equiv")]
    assert policy is not None
    assert "default-src 'none'" in policy
    for element in ("style", "script"):
        content = re.findall(rf"<{element}>(.*?)</{element}>", text, flags=re.DOTALL)[-1]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_every_table_has_headings_and_every_chart_a_text() -> None:
    text = render(report(FLEET), "html")
    page = Page(text)
    for table in re.findall(r"<table.*?</table>", text, flags=re.DOTALL):
        assert "<caption" in table
        assert 'scope="col"' in table
        assert 'scope="row"' in table
    assert all(drawing["aria-hidden"] == "true" for drawing in page.all("svg")), "the words are beside it"
    assert ("html", {"lang": "en"}) in page.elements
    for label in ("90 to 180", "Notification", "servers and Office; 8 more for Windows clients", "Not reached"):
        assert label in page.texts
    assert "nothing: no machine has asked it since its service started" in page.texts
    identities = [attributes["id"] for _tag, attributes in page.elements if "id" in attributes]
    assert len(identities) == len(set(identities))


def test_bars_are_as_long_as_their_values() -> None:
    results = {f"a{number}": answer(a_license(), machine=str(number)) for number in range(8)}
    results |= {
        f"b{number}": answer(a_license(channel="Retail", days_remaining=None), machine=f"b{number}")
        for number in range(2)
    }
    text = render(report(results), "html")
    (section,) = re.findall(r'<section class="card" id="channels".*?</section>', text, flags=re.DOTALL)
    bars = [(one["data-value"], one["width"]) for one in Page(section).all("rect") if one.get("data-value")]
    assert bars == [("8", "100.00"), ("8", "100.00"), ("2", "25.00"), ("2", "25.00")]


def test_ten_thousand_hosts_are_a_page_of_few_elements() -> None:
    results: dict[str, Any] = {
        f"pc-{number:05}": answer(
            a_license(name=f"Windows {number % 40}", kms_server=f"kms{number % 70}"), machine=f"m{number // 2}"
        )
        for number in range(9_900)
    }
    results |= {f"off-{number:03}": UNREACHABLE for number in range(40)}
    results |= {f"kms-{number:03}": kms_host(number) for number in range(60)}
    text = render(report(results), "html")
    page = Page(text)
    assert len(page.elements) < 6_000
    assert len(text) < 3_000_000
    data = json.loads(page.scripts[0])
    assert len(data["rows"]) == 10_000
    assert text.count('role="row"') == STATIC_ROWS
    assert f"And {60 - MAX_LINES} more KMS hosts" in text
    assert "29 more products" in text
    assert f"The first {STATIC_ROWS} of 10,000 rows." in text


def test_the_worst_rows_come_first() -> None:
    data = json.loads(Page(render(report(FLEET), "html")).scripts[0])
    hosts = [data["texts"][row[0]] for row in data["rows"]]
    assert hosts == ["pc2", "denied", "off", "kms1", "kms2", "pc1"]
    assert all(len(row) == len(SHOWN) + 4 for row in data["rows"]), "severity, days twice, what to do in three parts"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "\uff1d"])
def test_no_cell_of_the_table_is_a_formula(start: str) -> None:
    name = f"{start}cmd|' /C calc'!A0"
    results = {name: answer(a_license(name=name, kms_server=name), machine=name)}
    (row,) = csv.DictReader(io.StringIO(render(report(results), "csv")))
    for column in ("host", "product", "kms_server", "client_machine_id"):
        assert row[column].startswith("'"), column
    assert row["days_left"] == "180"
    assert row["permanent"] == "false"


def test_the_table_has_a_line_for_every_row_and_no_time() -> None:
    text = render(report(FLEET), "csv")
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["host"] for line in lines] == ["denied", "kms1", "kms2", "off", "pc1", "pc2"]
    assert tuple(lines[0]) == COLUMNS
    assert TIME not in text


def test_json_is_the_report() -> None:
    for found in (report(FLEET), report(hostile()), report({})):
        text = render(found, "json")
        assert json.loads(text) == found
        assert [Row.from_dict(row).as_dict() for row in json.loads(text)["rows"]] == found["rows"]
        assert text.endswith("}\n")


def test_another_format_is_refused_with_the_choice() -> None:
    with pytest.raises(ValueError, match=r"'pdf' is no format of the report\. Use one of html, csv, json"):
        render(report({}), "pdf")


def test_markup_escapes_what_is_not_markup() -> None:
    assert tag("p", "<b>", Safe("<i></i>"), class_='"', data_x=1, hidden=True, title=None) == (
        '<p class="&quot;" data-x="1" hidden>&lt;b&gt;<i></i></p>'
    )
    assert join(["<", 5, None], between="&") == "&lt;&amp;5&amp;"


@pytest.mark.parametrize(
    ("value", "whole", "words"),
    [(0, 0, "0 %"), (0, 9, "0 %"), (1, 1000, "under 1 %"), (999, 1000, "over 99 %"), (5, 5, "100 %"), (1, 3, "33 %")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(value: int, whole: int, words: str) -> None:
    assert percent(value, whole) == words
