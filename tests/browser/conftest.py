# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A headless Chromium of its own for the tests, with an empty profile."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ARGUMENTS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
)


def _program(*names: str) -> str:
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail(f"{names[0]} is not installed. On Debian, as root: apt install chromium chromium-driver")
    return found


class Browser:
    """A page at a time: opens it, looks at it, and tells what it asked the network for."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def open(self, page: Path, *, scheme: str = "light", width: int = 1280, media: str = "") -> None:
        """Open a file, alone: what earlier pages asked for and said is forgotten."""
        self._command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._command("Emulation.setEmulatedMedia", media=media, features=features)
        self._driver.get("about:blank")
        for log in ("performance", "browser"):
            self._driver.get_log(log)  # type: ignore[no-untyped-call]
        self._driver.get(page.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        """The value that a piece of JavaScript returns."""
        return self._driver.execute_script(script, *arguments)

    def requests(self) -> list[str]:
        """The addresses that were asked for since the page was opened."""
        entries = self._driver.get_log("performance")  # type: ignore[no-untyped-call]
        events = [json.loads(entry["message"])["message"] for entry in entries]
        sent = [event for event in events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def complaints(self) -> list[str]:
        """What the console has of the page: errors, and what the content security policy refused."""
        return [entry["message"] for entry in self._driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def without_scripts(self, off: bool) -> None:
        """Whether the next pages run no script of their own."""
        self._command("Emulation.setScriptExecutionDisabled", value=off)

    def find(self, css: str) -> Any:
        """The one element that a selector names."""
        return self._driver.find_element("css selector", css)

    def open_blank(self) -> None:
        """Open a page on which scripts may do what they like."""
        self._driver.get("about:blank")

    def wait_for(self, script: str, *arguments: Any) -> Any:
        """What a piece of JavaScript hands to its last argument, a function, at some time."""
        return self._driver.execute_async_script(script, *arguments)

    def picture(self) -> bytes:
        """What is in the window, as PNG."""
        answer = self._driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        return base64.b64decode(answer["data"])

    def _command(self, name: str, **options: Any) -> None:
        self._driver.execute_cdp_cmd(name, options)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The browser of all tests; it fails, and does not skip, where there is none."""
    options = webdriver.ChromeOptions()
    options.binary_location = _program("chromium", "chromium-browser", "google-chrome")
    for argument in ARGUMENTS:
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium's sandbox does not run as root.
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(_program("chromedriver")))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
