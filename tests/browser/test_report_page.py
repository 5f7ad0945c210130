# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of the report in a real browser: what is drawn, what can be read, and that nothing leaves it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._report.document import build_report
from ansible_collections.winops.kms.plugins.plugin_utils._report.render import render
from ansible_collections.winops.kms.tests.browser.conftest import Browser
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._report.fleet import (
    DENIED,
    TIME,
    UNREACHABLE,
    a_license,
    answer,
    kms_host,
)

SCHEMES = ("light", "dark")
EVIL = "</script><script>window.broken=1</script><img src='http://evil.example/x' onerror='window.broken=2'>"

# Every text that can be seen, with the contrast of its colour to what is behind it (WCAG 2, relative luminance).
CONTRAST = """
const channel = (value) => { const c = value / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
const luminance = (color) => { const [r, g, b] = numbers(color).map(channel); return 0.2126*r + 0.7152*g + 0.0722*b; };
const ratio = (a, b) => {
  const [x, y] = [luminance(a), luminance(b)].sort((m, n) => n - m);
  return (x + 0.05) / (y + 0.05);
};
const opaque = (color) => { const parts = numbers(color); return parts.length === 3 || parts[3] === 1; };
const behind = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const color = getComputedStyle(one).backgroundColor;
    if (opaque(color)) return color;
  }
  return 'rgb(255, 255, 255)';
};
document.querySelectorAll('details').forEach((one) => { one.open = true; });
const found = {texts: [], shapes: [], page: luminance(behind(document.body))};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const [text, element] = [walker.currentNode.data.trim(), walker.currentNode.parentElement];
  if (!text || !element.getClientRects().length || getComputedStyle(element).visibility !== 'visible') continue;
  found.texts.push([ratio(getComputedStyle(element).color, behind(element)), text.slice(0, 40)]);
}
const input = document.getElementById('find');
found.texts.push([ratio(getComputedStyle(input, '::placeholder').color, behind(input)), 'placeholder']);
document.querySelectorAll('svg .fill:not(.whole)').forEach((shape) => {
  found.shapes.push([ratio(getComputedStyle(shape).fill, behind(shape)), shape.getAttribute('class')]);
});
return found;
"""


def fleet() -> dict[str, Any]:
    """A fleet in which there is something of every kind."""

    def states(name: str, count: int, **changes: Any) -> dict[str, Any]:
        return {f"{name}{index}": answer(a_license(**changes), machine=f"{name}{index}") for index in range(count)}

    return {
        **states("pc-", 40),
        **states("late-", 3, days_remaining=100),
        **states("soon-", 1, channel="Retail", days_remaining=20),
        **states("mak-", 6, channel="Volume:MAK", days_remaining=None, kms_server=None),
        **states("grace-", 4, status="oot_grace", status_reason="0xC004F074", days_remaining=9),
        **states("new-", 2, status="oob_grace", status_reason="0x4004F00C", days_remaining=3, kms_server=None),
        **states("over-", 5, status="notification", status_reason="0xC004F038", days_remaining=0),
        "copy-1": answer(a_license(), machine="copied"),
        "copy-2": answer(a_license(), machine="copied"),
        "off": UNREACHABLE,
        "denied": DENIED,
        "kms1": kms_host(50),
        "kms2": kms_host(17),
        "kms3": kms_host(3),
        "kms4": kms_host(None),
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes the page of a fleet to a file."""

    def written(results: dict[str, Any], *, title: str = "Fleet of the test") -> Path:
        page = tmp_path / "kms-report.html"
        page.write_text(render(build_report(results, title=title, time=TIME), "html"), encoding="utf-8")
        return page

    return written


def shown_hosts(browser: Browser) -> list[str]:
    hosts: list[str] = browser.run("return [...document.querySelectorAll('#rows th')].map((one) => one.textContent)")
    return hosts


def drawn(browser: Browser, section: str) -> dict[str, list[tuple[int, float]]]:
    """Label -> the bars beside it: value, and share of the room that there is for it, as the browser has drawn them."""
    lines = browser.run(
        """
        const parts = document.querySelectorAll(`#${arguments[0]} :is(tbody tr, .columns li)`);
        return [...parts].map((part) => {
          const whole = part.querySelector('.track').getBoundingClientRect();
          const label = part.querySelector('th, span:not(.mark)').textContent;
          const upright = part.matches('li');
          return [label, [...part.querySelectorAll('.fill')].map((shape) => {
            const box = shape.getBoundingClientRect();
            return [Number(shape.dataset.value), upright ? box.height / whole.height : box.width / whole.width];
          })];
        });
        """,
        section,
    )
    return {label: list(map(tuple, bars)) for label, bars in lines}


def test_nothing_is_asked_for_but_the_page_itself(browser: Browser, write: Callable[..., Path]) -> None:
    page = write(fleet())
    browser.open(page)
    assert browser.run("return document.title") == "Fleet of the test"
    assert [url for url in browser.requests() if not url.startswith("data:")] == [page.as_uri()]
    assert browser.run("return performance.getEntriesByType('resource').map((one) => one.name)") == []
    assert browser.complaints() == []


def test_the_charts_are_drawn_with_the_values_of_the_fleet(browser: Browser, write: Callable[..., Path]) -> None:
    browser.open(write(fleet()))
    sizes = browser.run(
        "return [...document.querySelectorAll('svg')].map((one) => one.getBoundingClientRect())"
        ".map((box) => [box.width, box.height])"
    )
    assert len(sizes) > 20
    assert all(width > 20 and height > 5 for width, height in sizes)

    expected = {
        "Licensed": 56, "Grace after expiry": 4, "First grace": 2, "Notification": 5,
        "Not reached": 1, "Could not be read": 1,
    }  # fmt: skip
    status = drawn(browser, "status")
    assert {label: bars[0][0] for label, bars in status.items()} == expected
    for label, ((value, share),) in status.items():
        assert share == pytest.approx(value / 56, abs=0.01), label

    days = {label: bars[0] if bars else (0, 0.0) for label, bars in drawn(browser, "days-left").items()}
    assert {label: value for label, (value, _share) in days.items()} == {
        "expired": 5, "under 7": 2, "7 to 29": 5, "30 to 89": 0, "90 to 180": 45, "over 180": 0, "no end": 10,
        "not known": 2,
    }  # fmt: skip
    for label, (value, share) in days.items():
        assert share == pytest.approx(value / 45, abs=0.01), label

    hosts = drawn(browser, "kms-hosts")
    counted = [bars[0] if bars else (0, 0.0) for bars in hosts.values()]
    assert [value for value, _share in counted] == [50, 17, 3, 0]
    assert [share for _value, share in counted] == pytest.approx([1.0, 0.34, 0.06, 0.0], abs=0.01)
    (strip,) = [browser.run("return [...document.querySelectorAll('.strip .fill')].map((one) => +one.dataset.value)")]
    assert sum(strip) == sum(expected.values())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_everything_can_be_read_in_both_colour_schemes(
    browser: Browser, write: Callable[..., Path], scheme: str
) -> None:
    browser.open(write(fleet()), scheme=scheme)
    found = browser.run(CONTRAST)
    assert len(found["texts"]) > 200
    assert [entry for entry in found["texts"] if entry[0] < 4.5] == []
    assert len(found["shapes"]) > 20
    assert [entry for entry in found["shapes"] if entry[0] < 3] == []
    assert (found["page"] > 0.5) == (scheme == "light")


def test_states_differ_in_shape_and_not_in_colour_alone(browser: Browser, write: Callable[..., Path]) -> None:
    browser.open(write(fleet()))
    looks = browser.run(
        """
        return ['ok', 'warn', 'bad', 'unknown'].map((tone) => {
          const look = getComputedStyle(document.querySelector(`.mark.${tone}`));
          return [look.borderRadius, look.clipPath, look.transform, look.borderStyle].join();
        });
        """
    )
    assert len(set(looks)) == 4


def test_hosts_are_found_filtered_and_sorted(browser: Browser, write: Callable[..., Path]) -> None:
    browser.open(write(fleet()))
    assert len(shown_hosts(browser)) == 50
    assert shown_hosts(browser)[0] == "over-0", "the worst come first"
    assert browser.find("#shown").text == "1 to 50 of 69"

    browser.find("#find").send_keys("GRACE- ")
    assert shown_hosts(browser) == ["grace-0", "grace-1", "grace-2", "grace-3"]
    browser.find("#find").clear()
    browser.find("#find").send_keys("0xc004f038 over-3")
    assert shown_hosts(browser) == ["over-3"]
    browser.find("#find").clear()
    browser.find("#find").send_keys("nobody")
    assert (shown_hosts(browser), browser.find("#shown").text) == ([], "No host fits")
    browser.find("#find").clear()
    browser.find("#find").send_keys("-")

    browser.find("#only option[value='First grace']").click()
    assert shown_hosts(browser) == ["new-0", "new-1"]
    browser.find("#only option[value='']").click()
    browser.find("#size option[value='100']").click()

    heading = browser.find("#host-table th:nth-child(3)")
    heading.find_element("css selector", "button").click()
    days = browser.run(
        "return [...document.querySelectorAll('#rows tr td:nth-child(3)')].map((one) => one.textContent)"
    )
    assert heading.get_attribute("aria-sort") == "ascending"
    assert days == sorted(days, key=lambda text: 1000 if text == "no end" else int(text))
    assert (days[0], days[-1]) == ("0", "no end")
    heading.find_element("css selector", "button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert shown_hosts(browser)[0].startswith("mak-")

    browser.find("#host-table th:nth-child(1) button").click()
    assert heading.get_attribute("aria-sort") is None
    names = shown_hosts(browser)
    assert names[:2] == ["copy-1", "copy-2"]
    assert names.index("pc-9") < names.index("pc-10"), "numbers in names count as numbers"
    assert browser.complaints() == []


def test_a_line_tells_all_of_a_host(browser: Browser, write: Callable[..., Path]) -> None:
    browser.open(write(fleet()))
    browser.find("#find").send_keys("over-1")
    browser.find("#rows summary").click()
    cells = browser.run("return [...document.querySelectorAll('#rows tr > *')].map((one) => one.innerText)")
    assert cells[:7] == [
        "over-1", "Notification", "0", "Windows(R), Enterprise edition", "GVLK", "kms01.corp.example", "over-1",
    ]  # fmt: skip
    assert "0xC004F038" in cells[7]
    assert "SL_E_VL_NOT_ENOUGH_COUNT" in cells[7]
    assert "What to do: Wait until more machines have asked" in cells[7]


def test_the_page_is_whole_without_its_script(browser: Browser, write: Callable[..., Path]) -> None:
    page = write(fleet())
    browser.open(page)
    browser.find("#size option[value='100']").click()
    with_script = browser.run("return document.getElementById('rows').innerHTML")
    browser.without_scripts(True)
    try:
        browser.open(page)
        assert browser.run("return document.getElementById('rows').innerHTML") == with_script
        assert not browser.find("#controls").is_displayed()
        assert browser.find("#host-table thead th").text == "Host"
    finally:
        browser.without_scripts(False)


def test_ten_thousand_hosts_are_shown_a_screen_at_a_time(browser: Browser, write: Callable[..., Path]) -> None:
    results = {f"pc-{number:05}": answer(a_license(), machine=f"id-{number}") for number in range(9_995)}
    results |= {f"over-{number}": answer(a_license(status="notification", days_remaining=0)) for number in range(5)}
    browser.open(write(results))
    assert browser.run("return document.querySelectorAll('*').length") < 3_000
    assert browser.find("#shown").text == "1 to 50 of 10,000"
    assert browser.find("#place").text == "Page 1 of 200"
    assert browser.find("#previous").get_attribute("disabled")
    browser.find("#next").click()
    assert (shown_hosts(browser)[0], browser.find("#shown").text) == ("pc-00045", "51 to 100 of 10,000")
    browser.find("#find").send_keys("pc-09994")
    assert shown_hosts(browser) == ["pc-09994"]
    assert not browser.find("#pager").is_displayed()
    browser.run("window.dispatchEvent(new Event('beforeprint'))")
    browser.find("#find").clear()
    browser.run("document.getElementById('find').dispatchEvent(new Event('input'))")
    browser.run("window.dispatchEvent(new Event('beforeprint'))")
    assert len(shown_hosts(browser)) == 1_000, "more on paper, and still not all"
    browser.run("window.dispatchEvent(new Event('afterprint'))")
    assert len(shown_hosts(browser)) == 50


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
def test_it_fits_the_screen(browser: Browser, write: Callable[..., Path], width: int) -> None:
    long = {"branch-office-with-a-very-long-name-01.sub.department.corp.example": fleet()["over-1"]}
    browser.open(write({**fleet(), **long}), width=width)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    # On a phone the lines of the table are blocks with their headings, so that they need no scrolling either.
    over = browser.run("const one = document.querySelector('#hosts .scroll'); return one.scrollWidth - one.clientWidth")
    assert over <= 0 or width == 768


def test_paper_is_white_and_without_controls(browser: Browser, write: Callable[..., Path]) -> None:
    browser.open(write(fleet()), scheme="dark", media="print")
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.run("return getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert not browser.find("#controls").is_displayed()
    assert [entry for entry in browser.run(CONTRAST)["texts"][:-1] if entry[0] < 4.5] == []


def test_a_hostile_name_is_shown_and_does_nothing(browser: Browser, write: Callable[..., Path]) -> None:
    texts = {name: EVIL for name in ("name", "edition", "channel", "kms_server")}
    results = {
        EVIL: answer(a_license(**texts, status="notification", days_remaining=0), machine=EVIL),
        EVIL + "2": {"unreachable": True, "msg": EVIL},
    }
    page = write(results, title=EVIL)
    browser.open(page)
    assert shown_hosts(browser) == [EVIL, EVIL + "2"]
    assert browser.run("return window.broken") is None
    assert browser.run("return document.images.length") == 0
    assert [url for url in browser.requests() if not url.startswith("data:")] == [page.as_uri()]
    # And if something got in all the same, the policy would not let it run.
    browser.run(
        "const bad = document.createElement('script'); bad.textContent = 'window.broken = 3'; document.body.append(bad)"
    )
    assert browser.run("return window.broken") is None
    assert any("Content Security Policy" in line for line in browser.complaints())
