# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module license_file against the lab: every byte arrives, products come once, refusals name the file."""

from __future__ import annotations

import codecs
import hashlib
from pathlib import Path
from typing import Any

import pytest
from labsupport.licences import SKU, other_file, product_file, token_file

from ansible_collections.winops.kms.tests.system.harness import Play, kinds
from kmslab.control import Lab

pytestmark = pytest.mark.estate("maintenance")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_files_of_the_controller(lab: Lab, play: Play, connection: str, tmp_path: Path) -> None:
    folder = tmp_path / "tokens" / "skus"
    folder.mkdir(parents=True)
    (folder / "1-pl.xrm-ms").write_bytes(codecs.BOM_UTF8 + product_file().encode())
    (folder / "2-ul.xrm-ms").write_bytes(codecs.BOM_UTF16_LE + other_file().encode("utf-16-le"))
    task = {"name": "install", "winops.kms.license_file": {"directory": [str(folder.parent)]}}
    content = {"name": "content", "winops.kms.license_file": {"content": token_file()}}
    repair = {"name": "repair", "winops.kms.license_file": {"path": str(folder / "1-pl.xrm-ms"), "force": True}}

    foretold = play([task, content], hosts="single", connection=connection, check=True)
    assert kinds(lab.requests()).keys() == {"read"}
    # The first file is installed, but its answer is lost.
    lab.fault("single", "drop_after", method="InstallLicense")
    run = play([task, content], hosts="single", connection=connection)
    result = run.result("single", "install")
    assert result["changes"] == foretold.result("single", "install")["changes"]
    assert [(one["name"], one["before"], one["installed"]) for one in result["files"]] == [
        ("1-pl.xrm-ms", "missing", True),
        ("2-ul.xrm-ms", "unknown", True),
    ]
    machine = lab.machine("single")
    # A second time because of the lost answer; tabs, line breaks and quotes are as in the file.
    expected = [product_file(), product_file(), other_file(), token_file()]
    assert [one["sha256"] for one in machine["license_installs"]] == [digest(text) for text in expected]
    assert SKU in [one["id"] for one in machine["products"]]
    assert len(machine["token_licenses"]) == 3

    lab.clear_requests()
    again = play([task, content], hosts="single", connection=connection)
    assert not again.changed("single")
    assert kinds(lab.requests()).keys() == {"read"}
    repaired = play([repair], hosts="single", connection=connection).result("single", "repair")
    assert repaired["changes"] == [
        {"setting": "license 1-pl.xrm-ms", "before": "installed", "after": "installed again"}
    ]
    assert len(lab.machine("single")["license_installs"]) == 5


def test_what_can_not_be_installed(lab: Lab, play: Play, connection: str, tmp_path: Path) -> None:
    def task(name: str, **options: Any) -> dict[str, Any]:
        return {"name": name, "winops.kms.license_file": options, "ignore_errors": True}

    (tmp_path / "unsigned.xrm-ms").write_text(product_file(signed=False), encoding="utf-8", newline="")
    (tmp_path / "large.xrm-ms").write_text(product_file(name="&amp;" * 60_000), encoding="utf-8", newline="")
    run = play(
        [
            task("unsigned", path=str(tmp_path / "unsigned.xrm-ms")),
            task("large", path=str(tmp_path / "large.xrm-ms")),
            task("absent", path="no-such-file.xrm-ms"),
            task("of the host", directory=r"C:\Windows\System32\spp\tokens"),
            task("rubbish", content="<html/>"),
        ],
        hosts="single",
        connection=connection,
    )
    unsigned = run.result("single", "unsigned")
    assert unsigned["error"]["code"] == "0xC004F01D"
    assert "unsigned.xrm-ms: Licence verification failed" in unsigned["msg"]
    assert unsigned["changed"] is False
    for name, text in (
        ("large", "WinRM accepts messages of 512000 bytes"),
        ("absent", "there is no no-such-file.xrm-ms on the controller"),
        ("of the host", "Files of the host itself can't be read"),
        ("rubbish", "no licence file"),
    ):
        assert text in run.result("single", name)["msg"]
    assert [one["method"] for one in lab.requests() if one["kind"] == "write"] == ["InstallLicense"]
    assert lab.machine("single")["license_installs"] == []
