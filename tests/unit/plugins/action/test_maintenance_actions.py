# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The actions of rearm, license_file and the token_license modules: options in, results out.  Windows is a fake."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.winops.kms.plugins.plugin_utils._action import base, wsman
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.apply import Applier
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_maintenance import (
    ILID,
    NEW_SKU,
    OLD_CMID,
    MaintainedWindows,
    license_text,
    token,
)
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import (
    CLIENT_ID,
    dropped,
    keyed_client,
    refused,
)

Run = Callable[..., dict[str, Any]]
EXPIRED = {**keyed_client(licensed=False), "LicenseStatus": 5, "GracePeriodRemaining": 0}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a module on a fake Windows; files are looked for in `tmp_path`."""

    def find(self: object, folder: str, needle: str) -> str:
        path = tmp_path / needle
        if not path.exists():
            raise AnsibleActionFail(f"Could not find or access {needle!r}")
        return str(path)

    def run_module(windows: MaintainedWindows, module: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        monkeypatch.setattr(wsman, "open_session", lambda connection: windows)
        monkeypatch.setattr(base, "Applier", partial(Applier, pause=lambda seconds: None))
        plugin: Any = importlib.import_module(f"ansible_collections.winops.kms.plugins.action.{module}")
        monkeypatch.setattr(plugin.ActionModule, "_find_needle", find)
        task = SimpleNamespace(
            args=options, check_mode=check, async_val=0, action=f"winops.kms.{module}", diff=False, environment=None
        )
        connection = SimpleNamespace(transport="winrm", _shell=SimpleNamespace(tmpdir="/nowhere"))
        action = plugin.ActionModule(
            task=task, connection=connection, play_context=None, loader=None, templar=None, shared_loader_obj=None
        )
        result: dict[str, Any] = action.run(None, {"inventory_hostname": "win01"})
        json.dumps(result)
        return result

    return run_module


OPTIONS: dict[str, dict[str, Any]] = {
    "rearm": {},
    "license_file": {"content": license_text(CLIENT_ID)},
    "token_license": {"ilid": ILID, "ilvid": 1},
}


@pytest.mark.parametrize("module", OPTIONS)
def test_the_shape_of_a_result_is_that_of_all_modules(module: str, run: Run) -> None:
    result = run(MaintainedWindows(keyed_client()), module, **OPTIONS[module])
    assert {"changed", "changes", "license", "pending", "diff", "msg", "restarted"} <= set(result)
    assert not {"failed", "error", "unreachable"} & set(result)
    assert (result["changed"], result["changes"], result["diff"]) == (False, [], {"before": {}, "after": {}})
    assert result["license"]["activation_id"] == CLIENT_ID


def test_rearm(run: Run) -> None:
    windows = MaintainedWindows(EXPIRED)
    foretold = run(windows, "rearm", check=True)
    result = run(windows, "rearm")
    for found, verb in ((foretold, "would be"), (result, "was")):
        assert found["msg"] == f"windows {verb} rearmed; it takes effect when the machine restarts"
        assert found["changes"] == [{"setting": "remaining_windows_rearms", "before": 3, "after": 2}]
        assert found["diff"] == {"before": {"remaining_windows_rearms": 3}, "after": {"remaining_windows_rearms": 2}}
        assert (found["changed"], found["restart_required"], found["skip_rearm"]) == (True, True, False)
        assert found["rearms"]["after"] == {"windows": 2, "application": 1001, "product": 1000}
        assert found["client_machine_id"] == OLD_CMID
    again = run(windows, "rearm", force=True)
    assert (again["changed"], again["restart_required"]) == (False, True)
    assert again["msg"] == "windows was rearmed; it takes effect when the machine restarts"
    assert "failed" not in again


def test_a_rearm_whose_fate_is_unknown_fails_and_says_so(run: Run) -> None:
    windows = MaintainedWindows(EXPIRED)
    windows.fail("ReArmWindows", dropped)
    result = run(windows, "rearm")
    assert result["failed"]
    assert result["restart_required"] is False
    assert "was not sent a second time" in result["msg"]


def test_what_rearm_refuses_fails_before_anything_is_sent(run: Run) -> None:
    windows = MaintainedWindows(EXPIRED, rearms=1)
    for options in ({}, {"scope": "product"}, {"if_client_machine_id": ["x"]}):
        result = run(windows, "rearm", **options)
        assert (result["failed"], result["changed"]) == (True, False)
        assert result["error"]["remedy"] or options
    assert windows.calls == []


def test_license_files_by_path_directory_and_content(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "b.xrm-ms").write_text(license_text(NEW_SKU), encoding="utf-8", newline="")
    windows = MaintainedWindows(keyed_client())
    foretold = run(windows, "license_file", check=True, path="tokens/b.xrm-ms")
    assert foretold["msg"] == "1 of 1 licence files would be installed"
    result = run(windows, "license_file", path="tokens/b.xrm-ms", content=license_text(CLIENT_ID))
    assert result["msg"] == "1 of 2 licence files installed"
    assert [one["installed"] for one in result["files"]] == [True, False]
    assert windows.installed == [license_text(NEW_SKU)]
    assert run(windows, "license_file", directory="tokens")["changed"] is False
    assert run(windows, "license_file", directory="tokens", force=True)["changed"] is True


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            {"path": r"C:\Windows\System32\spp\tokens\a.xrm-ms"},
            "path: there is no C:.*on the controller.*can't be read",
        ),
        ({"directory": "absent"}, "directory: there is no absent on the controller"),
        ({"content": "text"}, "content: content is no licence file"),
        ({}, "one of the following is required: path, directory, content"),
    ],
)
def test_license_files_that_can_not_be(options: dict[str, Any], complaint: str, run: Run) -> None:
    windows = MaintainedWindows(keyed_client())
    result = run(windows, "license_file", **options)
    assert result["failed"]
    assert re.search(complaint, result["msg"])
    assert windows.queries == []


def test_a_refused_license_file_is_named(run: Run) -> None:
    windows = MaintainedWindows(keyed_client())
    windows.fail("InstallLicense", refused(0xC004F01F))
    result = run(windows, "license_file", content=license_text(NEW_SKU))
    assert result["error"]["name"] == "SL_E_INVALID_LICENSE"
    assert result["error"]["message"].startswith("content: ")
    assert result["files"][0]["installed"] is False


def test_token_licenses(run: Run) -> None:
    windows = MaintainedWindows(keyed_client(), tokens=[token(), token(ilvid=2, license_id=NEW_SKU)])
    listed = run(windows, "token_license_info")
    assert [one["ilvid"] for one in listed["token_licenses"]] == [1, 2]
    assert (listed["changed"], listed["msg"]) == (False, "2 issuance licences for token-based activation")
    foretold = run(windows, "token_license", check=True, ilid=ILID, ilvid=2)
    result = run(windows, "token_license", ilid=ILID, ilvid=2)
    assert foretold["changes"] == result["changes"]
    assert foretold["msg"] == f"issuance licence {ILID} 2 would be removed"
    assert [one["ilvid"] for one in result["token_licenses"]] == [1]
    again = run(windows, "token_license", ilid=ILID, ilvid=2)
    assert (again["changed"], again["msg"]) == (False, f"issuance licence {ILID} 2 is not there")
    assert run(windows, "token_license", ilid="x", ilvid=2)["failed"]


def test_options_that_may_be_set_for_the_whole_group_are_accepted(run: Run) -> None:
    windows = MaintainedWindows(keyed_client())
    for module, options in {**OPTIONS, "token_license_info": {}}.items():
        result = run(windows, module, **options, application="windows", activation_id=CLIENT_ID)
        assert "failed" not in result
