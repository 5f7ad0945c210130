# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of the collection, and those of a user that correct or extend them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import InvalidOption
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.hresult import describe
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.keys import ProductKey, find_gvlk, gvlk_table
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.tables import (
    DATA,
    OPTION,
    TABLES,
    extended_by,
    rows,
)

GVLK_HEAD = "product,edition,os_family,servicing_channel,builds,edition_id,operating_system_sku,kms_threshold,key"
SERVER_2022 = "Windows Server 2022,Standard,server,LTSC,20348,ServerStandard,7|13,5"
NEW_KEY = "BBBBB-CCCCC-DDDDD-FFFFF-GGGGG"  # invented


def write(folder: Path, name: str, *lines: str) -> str:
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize("name", TABLES)
def test_the_collections_own_tables_meet_the_rules(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.csv").write_bytes((DATA / f"{name}.csv").read_bytes())
    with extended_by(str(tmp_path)):
        merged = rows(name)
    assert merged == rows(name)


def test_the_directory_can_be_set_for_all_modules_of_the_group() -> None:
    runtime = yaml.safe_load((Path(__file__).parents[5] / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    for module in runtime["action_groups"]["kms"]:
        assert OPTION in getattr(specs, module.upper()).options, module


def test_every_table_can_be_extended() -> None:
    assert {path.stem for path in DATA.glob("*.csv")} == set(TABLES)


def test_a_row_takes_the_place_of_the_one_with_its_key_and_others_are_added(tmp_path: Path) -> None:
    lines = (f"{SERVER_2022},{NEW_KEY}", f"Windows Server 2028,Standard,server,LTSC,30000,ServerStandard,7,5,{NEW_KEY}")
    directory = write(tmp_path, "gvlk.csv", GVLK_HEAD, *lines)
    before = len(gvlk_table())
    for _again in range(2):
        with extended_by(directory):
            assert len(gvlk_table()) == before + 1
            for build in (20348, 30000):
                found = find_gvlk(build=build, edition_ids=("ServerStandard",))
                assert found is not None and found.key.secret == NEW_KEY
            assert ProductKey.parse(NEW_KEY).is_gvlk
        old = find_gvlk(build=20348, edition_ids=("ServerStandard",))
        assert old is not None and old.key.partial == "VMK7H"
        assert not ProductKey.parse(NEW_KEY).is_gvlk
        assert find_gvlk(build=30000, edition_ids=("ServerStandard",)) is None


def test_an_error_code_gets_the_words_of_the_user(tmp_path: Path) -> None:
    directory = write(
        tmp_path,
        "hresult.csv",
        "code,meaning,remedy",
        '0xC004F074,No KMS host,"Call the desk, 4711"',
        "0xC0DE0001,Ours,Wait",
    )
    with extended_by(directory):
        assert describe(0xC004F074).remedy == "Call the desk, 4711"
        assert describe(0xC0DE0001).message == "Ours"
        assert "count" in describe(0xC004F038).message
    assert "4711" not in describe(0xC004F074).remedy


def test_a_file_that_a_spreadsheet_has_saved_is_read(tmp_path: Path) -> None:
    (tmp_path / "hresult.csv").write_bytes("\ufeffcode,meaning,remedy\r\n0xC0DE0001,Ours,Wait\r\n".encode())
    with extended_by(str(tmp_path)):
        assert describe(0xC0DE0001).remedy == "Wait"


@pytest.mark.parametrize(
    ("name", "lines", "text"),
    [
        ("glvk.csv", ["code"], "glvk.csv: there is no such table. The tables are gvlk.csv, hresult.csv"),
        ("readme.txt", ["code"], "has no table"),
        ("hresult.csv", ["code,meaning"], "line 1: it has no column remedy"),
        ("hresult.csv", ["code,meaning,remedy,color"], "line 1: column color is unknown"),
        (
            "hresult.csv",
            ["code,meaning,remedy", "0xC0DE0001,a,b", "C004F074,a,b"],
            "line 3, column code: 'C004F074' is not 0x",
        ),
        ("hresult.csv", ["code,meaning,remedy", "0xC0DE0001,a"], "line 2: it has not 3 values"),
        ("hresult.csv", ["code,meaning,remedy", "0xC0DE0001,a,b,c"], "line 2: it has not 3 values"),
        ("hresult.csv", ["code,meaning,remedy", "0xC0DE0001, ,b"], "line 2, column meaning: ' ' is not a text"),
        (
            "hresult.csv",
            ["code,meaning,remedy", "0xC0DE0001,a,b", "0xC0DE0001,c,d"],
            "line 3: the same code as in line 2",
        ),
        ("gvlk.csv", [GVLK_HEAD, f"{SERVER_2022},{NEW_KEY}X"], "line 2, column key: the value is not five groups"),
        ("gvlk.csv", [GVLK_HEAD, f"{SERVER_2022.replace('7|13', '7-13')},{NEW_KEY}"], "operating_system_sku: '7-13'"),
        ("gvlk.csv", [GVLK_HEAD, f"{SERVER_2022.replace(',5', ',6')},{NEW_KEY}"], "kms_threshold: '6' is not 5 or 25"),
        ("gvlk.csv", [""], "line 1: it has no column product"),
        (
            "kms_host_matrix.csv",
            ["csvlk_group,description_token,hosted_on,activates", "Windows Server 2028,WS28,a,b"],
            "line 2, column description_token: 'WS28' is not the channel",
        ),
        (
            "kms_host_updates.csv",
            ["host,activates,update,revision", "a,b,KB1,", "a,b,KB2,", "a,b,KB1,7"],
            "line 4: the same host, activates, update as in line 2",
        ),
        (
            "kms_host_updates.csv",
            ["host,activates,update,revision", "a,b,5099999,"],
            "column update: '5099999' is not KB",
        ),
        ("windows_releases.csv", ["release,kind,builds,edition_ids", "a,pc,1,"], "column kind: 'pc' is not server"),
    ],
)
def test_a_wrong_table_is_an_error_that_names_the_place(name: str, lines: list[str], text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=re.escape(text)) as caught, extended_by(write(tmp_path, name, *lines)):
        pytest.fail("it was used")
    assert NEW_KEY not in str(caught.value)
    assert rows("gvlk") and rows("hresult")


def test_a_file_that_is_not_text_and_a_directory_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "hresult.csv").write_bytes(b"code,meaning,remedy\n\xff\xfe\n")
    with pytest.raises(InvalidOption, match="can't be read"), extended_by(str(tmp_path)):
        pytest.fail("it was used")
    with pytest.raises(InvalidOption, match="is not a directory"), extended_by(str(tmp_path / "none")):
        pytest.fail("it was used")


def test_what_a_kms_host_activates_can_be_extended(tmp_path: Path) -> None:
    write(tmp_path, "windows_releases.csv", "release,kind,builds,edition_ids", "Windows Server 2028,server,30000,")
    write(
        tmp_path,
        "kms_host_matrix.csv",
        "csvlk_group,description_token,hosted_on,activates",
        "Windows Server 2028,VOLUME_KMS_WS28,Windows Server 2028,Windows Server 2028|Windows 7",
    )
    own = {name: rows(name) for name in ("windows_releases", "kms_host_matrix", "kms_host_updates")}
    with extended_by(str(tmp_path)):
        assert [row["release"] for row in rows("windows_releases")] == [
            *(row["release"] for row in own["windows_releases"]),
            "Windows Server 2028",
        ]
        assert rows("kms_host_matrix")[-1] == {
            "csvlk_group": "Windows Server 2028",
            "description_token": "VOLUME_KMS_WS28",
            "hosted_on": "Windows Server 2028",
            "activates": "Windows Server 2028|Windows 7",
            "source": "",
        }
        assert rows("kms_host_updates") == own["kms_host_updates"]
    assert rows("kms_host_matrix") == own["kms_host_matrix"]


_IN_A_WORKER = """
from ansible_collections.winops.kms.plugins.plugin_utils._action import base
from ansible_collections.winops.kms.plugins.plugin_utils._licensing import keys, tables
def read(path): raise SystemExit(f"{path} is read")
tables._read = read
print(keys.find_gvlk(build=22631, edition_ids=("Enterprise",)).edition)
"""


def test_the_client_setup_keys_are_there_before_ansible_forks_its_workers() -> None:
    # Action plugins are imported before; a process of its own, since other tests here have read the table as well.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", _IN_A_WORKER], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "Enterprise"), done.stderr
