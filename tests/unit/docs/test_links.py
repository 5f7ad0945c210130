# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The look at the links of the documentation finds those that lead nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.winops.kms.tests.tools.checks.html import wrong_links

LINKS = {
    "other.html": "",
    "other.html#here": "",
    "#top": "",
    "folder/": "there is no such file",
    "gone.html": "there is no such file",
    "/": "there is no such file",
    "other.html#away": "there is no such place on the page",
    "#away": "there is no such place on the page",
    "https://example.com/a#b": "",
    "http://example.com/": "is no address of https",
    "https://example": "is no address of https",
    "mailto:a@example.com": "",
}


@pytest.mark.parametrize("link", LINKS)
def test_a_link(link: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(f'<p><a href="{link}">text</a></p>', encoding="utf-8")
    (tmp_path / "other.html").write_text('<h1 id="here">Here</h1>', encoding="utf-8")
    wrong = LINKS[link]
    assert list(wrong_links(tmp_path)) == ([f"page.html: {link}: {wrong}"] if wrong else [])
