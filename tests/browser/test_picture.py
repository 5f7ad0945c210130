# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The picture of the report in the guides shows the page as it is.

After a change of the page: WRITE_PICTURES=1 .venv/bin/python -m pytest tests/browser/test_picture.py
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._report.document import build_report
from ansible_collections.winops.kms.plugins.plugin_utils._report.render import render
from ansible_collections.winops.kms.tests.browser.conftest import Browser
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._report.fleet import (
    TIME,
    UNREACHABLE,
    a_license,
    answer,
    kms_host,
)

FILE = Path(__file__).parents[2] / "docs" / "docsite" / "rst" / "images" / "report.png"
WIDTH = 1100
# How much two pictures differ, 0 to 1, at a size at which it does not count which fonts there are.
DIFFERENCE = """
const [one, other, done] = arguments;
const load = (data) => new Promise((resolve, reject) => {
  const image = new Image();
  image.onload = () => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [44, 36];
    const context = canvas.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(image, 0, 0, 44, 36);
    resolve([image.width, image.height, context.getImageData(0, 0, 44, 36).data]);
  };
  image.onerror = reject;
  image.src = 'data:image/png;base64,' + data;
});
Promise.all([load(one), load(other)]).then(([[w1, h1, first], [w2, h2, second]]) => {
  let sum = 0;
  first.forEach((value, at) => { sum += Math.abs(value - second[at]); });  // Opacity is the same everywhere.
  done(w1 === w2 && h1 === h2 ? sum / (first.length * 3 / 4) / 255 : 1);
});
"""


def fleet() -> dict[str, Any]:
    """A site after its first run: nearly all are activated, and some need a look."""
    clients = {f"pc{number:02}.contoso.com": answer(a_license(), machine=f"pc{number}") for number in range(1, 53)}
    pending = a_license(status="oob_grace", status_reason="0xC004F038", days_remaining=26, edition="ServerStandard")
    refused = a_license(status="notification", status_reason="0xC004F074", days_remaining=0)
    return {
        **clients,
        **{f"files{number}.contoso.com": answer(pending, machine=f"files{number}") for number in range(1, 4)},
        "lab7.contoso.com": answer(refused, machine="lab7"),
        "pc53.contoso.com": UNREACHABLE,
        "kms01.contoso.com": kms_host(50),
    }


def test_the_picture_of_the_report_shows_it_as_it_is(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "kms-report.html"
    report = build_report(fleet(), title="KMS fleet report", time=TIME)
    page.write_text(render(report, "html"), encoding="utf-8")
    browser.open(page, width=WIDTH)
    seen = browser.picture()
    if os.environ.get("WRITE_PICTURES"):
        FILE.write_bytes(seen)
    pictures = [base64.b64encode(data).decode("ascii") for data in (seen, FILE.read_bytes())]
    browser.open_blank()
    assert browser.wait_for(DIFFERENCE, *pictures) < 0.02


def test_another_page_would_be_noticed(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "kms-report.html"
    page.write_text(render(build_report({}, title="Another report", time=TIME), "html"), encoding="utf-8")
    browser.open(page, width=WIDTH)
    pictures = [base64.b64encode(data).decode("ascii") for data in (browser.picture(), FILE.read_bytes())]
    browser.open_blank()
    assert browser.wait_for(DIFFERENCE, *pictures) > 0.04
