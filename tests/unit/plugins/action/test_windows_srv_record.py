# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""windows_srv_record as a task: options in, results out, errors as failed or unreachable.  The server is a fake."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleAuthenticationFailure, AnsibleConnectionFailure

from ansible_collections.winops.kms.plugins.action import windows_srv_record
from ansible_collections.winops.kms.plugins.module_utils._dns import library
from ansible_collections.winops.kms.plugins.plugin_utils._action import wsman
from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import CimAuthenticationError, CimError
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._windows_dns.fake_dns_server import (
    SERVER,
    FakeDnsServer,
    Trouble,
    no_answer,
    refused,
)

KMS1 = "3600 0 0 1688 kms01.lab.test."
KMS2 = "3600 0 0 1688 kms02.lab.test."
LINE1 = "_vlmcs._tcp.lab.test. 3600 IN SRV 0 0 1688 kms01.lab.test.\n"
LINE2 = "_vlmcs._tcp.lab.test. 3600 IN SRV 0 0 1688 kms02.lab.test.\n"

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the module on a fake DNS server."""

    def run_module(fake: FakeDnsServer, /, *, check: bool = False, **options: Any) -> dict[str, Any]:
        monkeypatch.setattr(wsman, "open_session", lambda connection: fake)
        task = SimpleNamespace(
            args=options,
            check_mode=check,
            async_val=0,
            action="winops.kms.windows_srv_record",
            diff=False,
            environment=None,
        )
        connection = SimpleNamespace(transport="winrm", _shell=SimpleNamespace(tmpdir="/nowhere"))
        make: Any = windows_srv_record.ActionModule
        action = make(
            task=task, connection=connection, play_context=None, loader=None, templar=None, shared_loader_obj=None
        )
        result: dict[str, Any] = action.run(None, {"inventory_hostname": "dc1"})
        return result

    return run_module


@pytest.mark.parametrize("check", [True, False])
def test_a_result_has_all_that_srv_record_returns(check: bool, run: Run) -> None:
    server = FakeDnsServer(KMS2)
    result = run(server, check=check, zone="lab.test", target="kms01.lab.test", port="1688")
    assert result == {
        "changed": True,
        "msg": f"_vlmcs._tcp.lab.test on {SERVER}: "
        + ("would change, 2 records then" if check else "changed, 2 records now"),
        "records": [
            {"target": f"{host}.lab.test", "port": 1688, "priority": 0, "weight": 0, "ttl": 3600}
            for host in ("kms01", "kms02")
        ],
        "attempts": 0 if check else 1,
        "server": SERVER,
        "domain": "lab.test",
        "zone": "lab.test",
        "diff": {
            "before": LINE2,
            "after": LINE1 + LINE2,
            "before_header": "_vlmcs._tcp.lab.test",
            "after_header": "_vlmcs._tcp.lab.test",
        },
    }
    json.dumps(result)
    assert len(server.lines) == (1 if check else 2)


def test_a_second_run_changes_nothing(run: Run) -> None:
    server = FakeDnsServer(KMS1, KMS2)
    result = run(server, records=[{"target": "kms01.lab.test"}, {"target": "KMS02.lab.test"}], exclusive="yes")
    assert (result["changed"], result["attempts"]) == (False, 0)
    assert result["msg"].endswith("2 records; nothing to change")
    assert len(server.reads) == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "one of the following is required: target, records"),
        ({"target": "a.b", "records": [{"target": "c.d"}]}, "mutually exclusive: target|records"),
        ({"target": "a.b", "server": "dc1"}, "unsupported: server"),
        ({"target": "a.b", "port": "x"}, "port"),
        ({"target": "kms01"}, "not a fully qualified name"),
        ({"target": "kms01.lab.test", "port": 99999}, "Option port: 99999 is out of range"),
    ],
)
def test_bad_options_fail_before_anything_is_sent(options: dict[str, Any], text: str, run: Run) -> None:
    server = FakeDnsServer()
    result = run(server, **options)
    assert (result["failed"], result["changed"]) == (True, False)
    assert text in result["msg"]
    assert result["msg"].startswith("dc1: ")
    assert set(result["error"]) == {"code", "name", "message", "remedy"}
    assert (server.reads, server.calls) == ([], [])


def test_a_refusal_of_the_server_fails_with_code_and_remedy(run: Run) -> None:
    server = FakeDnsServer(zones={"lab.test": 2})
    result = run(server, target="kms01.lab.test")
    assert (result["failed"], result["changed"]) == (True, False)
    assert result["error"]["name"] == "NOT_PRIMARY"
    assert result["error"]["remedy"] in result["msg"]


def test_a_failure_after_a_part_of_the_work_is_changed(run: Run) -> None:
    server = FakeDnsServer(KMS2)
    server.troubles["Modify"] = [Trouble(refused(0x80072587), times=9)]
    result = run(server, target="kms01.lab.test", ttl=60)
    assert (result["failed"], result["changed"], result["error"]["code"]) == (True, True, "0x80072587")
    assert result["diff"]["before"] == LINE2


def test_without_the_library_nothing_is_sent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "problem", lambda: "no such module")
    server = FakeDnsServer()
    result = run(server, target="kms01.lab.test")
    assert result["error"]["name"] == "MISSING_LIBRARY"
    assert "dnspython" in result["msg"]
    assert server.reads == []


def _refused_log_on() -> CimError:
    return CimAuthenticationError("Refused.", endpoint="http://host/wsman")


@pytest.mark.parametrize(
    ("error", "kind"), [(no_answer, AnsibleConnectionFailure), (_refused_log_on, AnsibleAuthenticationFailure)]
)
def test_no_way_to_the_host_makes_it_unreachable(
    error: Callable[[], CimError], kind: type[Exception], run: Run
) -> None:
    server = FakeDnsServer()
    server.troubles["query"] = [Trouble(error, times=9)]
    with pytest.raises(kind) as caught:
        run(server, target="kms01.lab.test")
    assert str(caught.value).removeprefix("Failed to authenticate: ").startswith("dc1: http://host/wsman: ")
    assert "A change had been sent" not in str(caught.value)


def test_a_host_that_is_lost_after_a_change_says_where_to_look(run: Run) -> None:
    server = FakeDnsServer()
    server.before[3] = lambda: server.troubles.update(query=[Trouble(no_answer)])
    with pytest.raises(AnsibleConnectionFailure, match="whether it happened shows in check mode"):
        run(server, target="kms01.lab.test")
