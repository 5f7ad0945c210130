# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options -> goal, outcome -> result."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns.errors import InputError, ZoneError
from ansible_collections.winops.kms.plugins.module_utils._dns.options import goal_of
from ansible_collections.winops.kms.plugins.module_utils._dns.update import Goal, Host
from ansible_collections.winops.kms.plugins.modules import srv_record
from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._windows_dns.ensure import Outcome
from ansible_collections.winops.kms.plugins.plugin_utils._windows_dns.report import result_of

DEFAULTS: dict[str, Any] = {"priority": 0, "weight": 0, "state": "present", "exclusive": False}


def test_one_host() -> None:
    options = {**DEFAULTS, "zone": "Lab.Test.", "target": "kms01.lab.test.", "port": 1700, "ttl": 60, "weight": 3}
    assert goal_of(options) == Goal(
        domain="Lab.Test", hosts=(Host("kms01.lab.test", 1700, 0, 3),), zone="Lab.Test", ttl=60
    )


def test_several_hosts() -> None:
    records = [
        {"target": "kms01.lab.test", "port": None, "priority": 0, "weight": 0},
        {"target": "kms02.lab.test", "port": 1700, "priority": 5, "weight": 10},
    ]
    wanted = goal_of({**DEFAULTS, "records": records, "exclusive": True, "port": 9, "domain": "office.test"})
    assert wanted.hosts == (Host("kms01.lab.test"), Host("kms02.lab.test", 1700, 5, 10))
    assert (wanted.domain, wanted.zone, wanted.exclusive, wanted.present) == ("office.test", None, True, True)


def test_the_domain_is_that_of_the_target() -> None:
    assert goal_of({**DEFAULTS, "target": "kms01.sub.lab.test", "state": "absent"}).domain == "sub.lab.test"


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"target": "kms01"}, "target"),
        ({"target": "192.0.2.1"}, "target"),
        ({"target": "kms01.lab.test", "zone": "_tcp.lab.test"}, "zone"),
        ({"target": "kms01.lab.test", "zone": "lab.test", "domain": "other.test"}, "domain"),
        ({"target": "kms01.lab.test", "port": 0}, "port"),
        ({"target": "kms01.lab.test", "weight": 65536}, "weight"),
        ({"target": "kms01.lab.test", "ttl": -1}, "ttl"),
        ({"target": "kms01.lab.test", "exclusive": True, "state": "absent"}, "exclusive"),
        ({"records": []}, "records"),
        ({"records": [{"target": "kms01.lab.test", "port": 70000, "priority": 0, "weight": 0}]}, "port"),
        ({"records": [{"target": f"{k}.lab.test", "priority": 0, "weight": 0} for k in ("kms01", "KMS01")]}, "records"),
    ],
)
def test_what_cannot_be_right_is_refused(options: dict[str, Any], option: str) -> None:
    with pytest.raises(InputError) as caught:
        goal_of({**DEFAULTS, **options})
    assert caught.value.option == option


def test_the_options_are_those_of_srv_record() -> None:
    for name, option in specs.WINDOWS_SRV_RECORD.options.items():
        assert option == srv_record.ARGUMENTS[name], name


GOAL = Goal(domain="lab.test", hosts=(Host("kms01.lab.test"),))


@pytest.mark.parametrize(
    ("changed", "check", "ending"),
    [
        (False, False, "no records; nothing to change"),
        (True, False, "changed, no records now"),
        (True, True, "would change, no records then"),
    ],
)
def test_the_sentence(changed: bool, check: bool, ending: str) -> None:
    outcome = Outcome(changed, (), "", "", 0, "lab.test", "dc1.lab.test")
    result = result_of(outcome, GOAL, check=check)
    assert result["msg"] == f"_vlmcs._tcp.lab.test on dc1.lab.test: {ending}"
    assert "failed" not in result and "error" not in result


def test_an_error_after_a_part_of_the_work_is_a_failed_result_with_the_change() -> None:
    error = ZoneError("NOT_PRIMARY", "No.", "Go elsewhere.")
    result = result_of(Outcome(True, (), "a\n", "", 1, "lab.test", "", error), GOAL, check=False)
    assert (result["failed"], result["changed"], result["error"]["name"]) == (True, True, "NOT_PRIMARY")
    assert result["msg"].startswith("No. Go elsewhere. Some of the records had been changed")
    assert result["diff"]["before"] == "a\n"
