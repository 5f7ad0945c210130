# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Licence files: found and understood on the controller, installed where their products are missing."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import InvalidOption
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.license_files import (
    InstallOutcome,
    install_licenses,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.license_texts import (
    LicenseText,
    decode_license,
    looks_like_windows,
    parse_license_text,
    read_license_files,
)
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_maintenance import (
    NEW_SKU,
    OTHER_SKU,
    TOKEN_ID,
    MaintainedWindows,
    license_text,
)
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import (
    CLIENT_ID,
    dropped,
    keyed_client,
    refused,
)

TEXT = license_text(NEW_SKU)


def licence(text: str, name: str = "a.xrm-ms") -> LicenseText:
    return parse_license_text(name, text, "path")


def install(windows: MaintainedWindows, *texts: str, force: bool = False, check: bool = False) -> InstallOutcome:
    files = [licence(text, f"{number}.xrm-ms") for number, text in enumerate(texts)]
    return install_licenses(windows.applier(), files, force=force, check=check)


def states(done: InstallOutcome) -> list[tuple[str, bool]]:
    return [(row["before"], row["installed"]) for row in done.files]


# --- on the controller ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode("ascii"),
        codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
    ],
    ids=["ascii", "utf-8", "utf-16"],
)
def test_encodings(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.xrm-ms"
    file.write_bytes(data)
    (found,) = read_license_files([str(file)])
    assert (found.text, found.name, found.title) == (TEXT, "a.xrm-ms", "Invented licence")
    assert (found.products, found.license_ids) == ((NEW_SKU,), (TOKEN_ID,))


@pytest.mark.parametrize("data", [b"\xfe\xff\0<", b"\xff\xfe\0\0<\0\0\0", b"<a>\xe4</a>", b"\xff\xfe<"])
def test_other_encodings_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidOption, match=r"^path: x is neither ASCII nor UTF-8 nor UTF-16"):
        decode_license(data, "x", "path")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("rubbish", "syntax error"),
        ("<license/>", "outermost element"),
        ('<rg:licenseGroup xmlns:rg="urn:mpeg:mpeg21:2003:01-REL-R-NS"/>', "outermost element"),
        (f'<!DOCTYPE x [<!ENTITY e "eeee">]>{license_text()}', "document type"),
        (license_text(NEW_SKU).replace("Invented", "Inv\x07ented"), "control character"),
    ],
)
def test_what_is_no_licence_is_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidOption, match=f"^content: x is no licence file .*{why}"):
        parse_license_text("x", text, "content")


def test_size_is_that_on_the_wire() -> None:
    # An & takes five bytes in a message, so that a file of a fifth of the limit is too large.
    def of(count: int) -> str:
        return license_text(NEW_SKU, extra=f"<!--{'&' * count}-->")

    assert licence(of(90_000)).products == (NEW_SKU,)
    with pytest.raises(InvalidOption, match=r"takes 5\d{5} bytes to be sent, and WinRM accepts messages of 512000"):
        licence(of(102_000))


def test_a_directory_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    for name, sku in (("skus/B/1-pl.XRM-MS", NEW_SKU), ("skus/a/2.xrm-ms", OTHER_SKU), ("skus/a/10.txt", CLIENT_ID)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(license_text(sku), encoding="utf-8")
    (tmp_path / "empty").mkdir()
    (tmp_path / "again.xrm-ms").write_text(license_text(NEW_SKU), encoding="utf-8")
    found = read_license_files([str(tmp_path / "again.xrm-ms")], [str(tmp_path / "skus")], license_text(OTHER_SKU))
    assert [one.name for one in found] == ["again.xrm-ms", "2.xrm-ms"]
    with pytest.raises(InvalidOption, match=r"^directory: .* has no file"):
        read_license_files(directories=[str(tmp_path / "empty")])


def test_what_is_not_on_the_controller_is_explained(tmp_path: Path) -> None:
    for paths, directories in (([str(tmp_path / "no")], []), ([], [str(tmp_path / "no")])):
        with pytest.raises(InvalidOption, match=r"on the controller.*WMI gives no access.*Copy them"):
            read_license_files(paths, directories)
    with pytest.raises(InvalidOption, match=r"^path: no licence file is named"):
        read_license_files()


@pytest.mark.parametrize(
    ("path", "windows"),
    [(r"C:\Windows\System32\spp\tokens", True), (r"\\server\share", True), ("%SystemRoot%/x", True), ("a:b", True),
     ("files/a.xrm-ms", False), ("/srv/a.xrm-ms", False), ("100%/a", False)],
)  # fmt: skip
def test_windows_paths_are_recognised(path: str, windows: bool) -> None:
    assert looks_like_windows(path) is windows


# --- on the host ----------------------------------------------------------------------------------------------------


def test_a_licence_is_installed_once() -> None:
    windows = MaintainedWindows(keyed_client())
    foretold = install(windows, TEXT, check=True)
    assert windows.calls == []
    done = install(windows, TEXT)
    assert windows.installed == [TEXT]
    assert [call.method for call in windows.calls] == ["InstallLicense", "RefreshLicenseStatus"]
    assert done.outcome.changes == foretold.outcome.changes
    assert [change.as_result() for change in done.outcome.changes] == [
        {"setting": "license 0.xrm-ms", "before": "missing", "after": "installed"}
    ]
    assert done.files == [
        {
            "name": "0.xrm-ms",
            "title": "Invented licence",
            "activation_ids": [NEW_SKU],
            "before": "missing",
            "installed": True,
        }
    ]
    again = install(windows, TEXT)
    assert (again.outcome.changed, states(again), len(windows.installed)) == (False, [("installed", False)], 1)
    repaired = install(windows, TEXT, force=True)
    assert repaired.outcome.changes[0].after == "installed again"
    assert len(windows.installed) == 2


def test_all_files_of_a_missing_product_are_installed() -> None:
    """Its product shows as soon as the first file is there; the file without a product belongs to it."""
    windows = MaintainedWindows(keyed_client())
    texts = [license_text(CLIENT_ID), TEXT, license_text(NEW_SKU, license_id=OTHER_SKU), license_text()]
    done = install(windows, *texts)
    assert windows.installed == texts[1:]
    assert states(done) == [("installed", False), ("missing", True), ("missing", True), ("unknown", True)]
    assert done.outcome.warnings == []
    assert not install(windows, *texts).outcome.changed


def test_a_file_that_shows_nowhere_is_installed_by_every_run_and_says_so() -> None:
    windows = MaintainedWindows(keyed_client())
    for _number in range(2):
        done = install(windows, license_text())
        assert done.outcome.changes[0].before == "unknown"
        assert done.outcome.warnings == [
            "0.xrm-ms: it names no product, so that Windows does not show whether it is installed, and every run "
            "installs it"
        ]


def test_an_issuance_licence_is_seen_by_its_identifier() -> None:
    windows = MaintainedWindows(keyed_client())
    text = license_text(extra='<tm:infoStr name="ILID">x</tm:infoStr>')
    assert install(windows, text).outcome.warnings == []
    assert states(install(windows, text)) == [("installed", False)]


def test_many_products_are_asked_for_in_parts() -> None:
    windows = MaintainedWindows(keyed_client())
    texts = [license_text(f"11111111-2222-4333-8444-{number:012d}") for number in range(45)]
    install(windows, *texts, check=True)
    assert [where.count("ID=") for _name, columns, where in windows.queries if columns == ("ID",)] == [20, 20, 5]


def test_a_product_that_does_not_come_is_told() -> None:
    windows = MaintainedWindows(keyed_client())
    windows.ignored.add("InstallLicense")
    done = install(windows, TEXT)
    assert done.outcome.changed
    assert done.outcome.warnings == [f"0.xrm-ms: Windows took it, but does not show the product {NEW_SKU}"]


def test_a_refusal_names_the_file_and_ends_it() -> None:
    windows = MaintainedWindows(keyed_client())
    texts = [TEXT, license_text(OTHER_SKU), license_text(OTHER_SKU, license_id=NEW_SKU)]
    windows.fail("InstallLicense", refused(0xC004F01D))
    windows.trouble["InstallLicense"].insert(0, windows.trouble["InstallLicense"].pop())
    done = install(windows, *texts)
    assert done.outcome.error is not None
    assert done.outcome.error.info.code == "0xC004F01D"
    assert done.outcome.error.info.message.startswith("0.xrm-ms: Licence verification failed")
    assert states(done) == [("missing", False)] * 3
    assert windows.methods == ["InstallLicense"]


@pytest.mark.parametrize("happened", [True, False])
def test_a_lost_answer_is_asked_for_again(happened: bool) -> None:
    windows = MaintainedWindows(keyed_client())
    windows.fail("InstallLicense", dropped, done=happened)
    done = install(windows, TEXT)
    assert (done.outcome.changed, done.outcome.error) == (True, None)
    assert windows.methods == ["InstallLicense"] * 2


def test_the_text_is_in_no_representation() -> None:
    values: list[Any] = [licence(TEXT)]
    assert "tm:infoStr" not in repr(values)
