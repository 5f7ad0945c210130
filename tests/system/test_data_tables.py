# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of the user: the files and the play of the guide tables_guide.rst, as they stand there."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.winops.kms.tests.system.harness import Ansible, Run, kinds
from ansible_collections.winops.kms.tests.tools.guide_blocks import blocks
from kmslab.control import Lab

NEW_KEY = "N2222-22222-22222-22222-GV222"
HOST_KEY = "N2222-22222-22222-22222-HK222"
TABLES = ("tables-guide-gvlk", "tables-guide-hresult", "tables-guide-updates")
TASK = "Install the client setup key, and activate"


def block(name: str) -> str:
    """The text of a code block of the guide."""
    return blocks("tables_guide")[name].text


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    client = {"edition": "Enterprise", "build": 22631, "groups": ["kms_clients"]}
    machines = [
        {"name": "new", **client, "media": "none", "kms_server": "kms1.corp.example"},
        {"name": "old", **client, "kms_server": "gone.corp.example"},
        {"name": "kms1", "edition": "ServerStandard", "build": 17763, "key": HOST_KEY, "licensed": True,
         "sppsvc": "Running", "firewall": {"SPPSVC-In-TCP": True}, "seed_cmids": 30},
        {"name": "gone", "edition": "ServerStandard", "build": 17763, "power": False},
    ]  # fmt: skip
    estate = {
        "name": "tables",
        "domain": "corp.example",
        "keys": [
            {"key": HOST_KEY, "channel": "csvlk", "group": "ws2022"},
            {"key": NEW_KEY, "channel": "gvlk", "editions": ["Enterprise"]},
        ],
        "zones": [{"name": "corp.example"}],
        "defaults": {"domain": "corp.example", "accounts": {"Administrator": {"password": "Lab-only-1"}}},
        "machines": machines,
    }
    path = tmp_path_factory.mktemp("estate") / "tables.yml"
    path.write_text(json.dumps(estate), encoding="utf-8")
    with Lab(path) as started:
        yield started


@pytest.fixture
def folder(lab: Lab, tmp_path: Path) -> Path:
    """The play of the guide, with its tables beside it."""
    lab.reset()
    (tmp_path / "tables").mkdir()
    for name in TABLES:
        (tmp_path / blocks("tables_guide")[name].caption).write_text(block(name), encoding="utf-8")
    (tmp_path / "play.yml").write_text(f"---\n{block('tables-guide-play')}", encoding="utf-8")
    return tmp_path


def run(lab: Lab, folder: Path, **how: Any) -> Run:
    return Ansible(lab, Path(tempfile.mkdtemp(dir=folder))).play(folder / "play.yml", **how)


def test_a_client_gets_the_key_of_the_user_and_an_error_his_words(lab: Lab, folder: Path) -> None:
    done = run(lab, folder, expect="failed")
    new, old = done.result("new", TASK), done.result("old", TASK)

    assert NEW_KEY in block("tables-guide-gvlk")
    assert lab.machine("new")["partial_product_key"] == NEW_KEY[-5:]
    assert (new["license"]["status"], lab.machine("new")["channel"]) == ("licensed", "Volume:GVLK")
    assert [change["setting"] for change in new["changes"]] == ["product_key", "status"]

    assert old["error"]["code"] == "0xC004F074"
    assert old["error"]["message"] == "No KMS host answered"
    assert old["error"]["remedy"] == "Call the network desk, extension 4711"
    assert "extension 4711" in old["msg"]

    lab.clear_requests()
    assert not run(lab, folder, limit="new").changed_hosts
    assert kinds(lab.requests()).keys() == {"read"}


def test_the_tables_of_the_collection_say_something_else(lab: Lab, folder: Path) -> None:
    (play,) = yaml.safe_load((folder / "play.yml").read_text(encoding="utf-8"))
    del play["module_defaults"]
    (folder / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    done = run(lab, folder, expect="failed")
    assert lab.machine("new")["partial_product_key"] == "2YT43"
    assert "extension 4711" not in done.output


def test_an_update_of_the_user_is_looked_for_before_anything_is_changed(lab: Lab, folder: Path) -> None:
    host, client = "winops.kms.preflight_info", {"role": "client", "kms_hosts": ["{{ hostvars.kms1.host }}"]}
    plays: list[dict[str, Any]] = [
        {"hosts": "kms1", "tasks": [{"name": "host", host: {"role": "host"}, "register": "host"}]},
        {"hosts": "new", "tasks": [{"name": "client", host: client}, {"winops.kms.host_requests_info": {}}]},
    ]
    defaults = {"group/winops.kms.kms": {"data_directory": str(folder / "tables")}}
    for more, found in (({}, False), ({"module_defaults": defaults}, True)):
        done = Ansible(lab, folder / f"runs-{found}").play([{**play, **more} for play in plays])
        assert ("KB5099999" in json.dumps(done.result("new", "client")["findings"])) is found


@pytest.mark.parametrize(
    ("table", "wrong", "message"),
    [
        ("hresult", ("0xC004F074", "C004F074"), block("tables-guide-error").strip()),
        ("gvlk", ("-GV222", ""), "tables/gvlk.csv, line 2, column key: the value is not five groups"),
        ("windows_releases", None, "tables/windows_releases.csv, line 2, column builds: 'new' is not Windows builds"),
    ],
)
def test_a_wrong_table_fails_before_anything_is_sent(
    lab: Lab, folder: Path, table: str, wrong: tuple[str, str] | None, message: str
) -> None:
    path = folder / "tables" / f"{table}.csv"
    text = path.read_text(encoding="utf-8").replace(*wrong) if wrong else "release,kind,builds\nWindows 12,client,new\n"
    path.write_text(text if wrong else text.replace("kind,builds", "kind,builds,edition_ids").replace(",new", ",new,"))
    done = run(lab, folder, expect="failed")
    for name in ("new", "old"):
        result = done.result(name, TASK)
        assert message in result["msg"].replace(f"{folder}/", "")
        assert "22222-2222" not in json.dumps(result)
    assert lab.requests() == []
