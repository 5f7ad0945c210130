# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module around the update loop: options, what is refused before anything is sent, results, missing library."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic

from ansible_collections.winops.kms.plugins.module_utils._dns import library
from ansible_collections.winops.kms.plugins.module_utils._dns.errors import InputError, ZoneError
from ansible_collections.winops.kms.plugins.module_utils._dns.exchange import Server
from ansible_collections.winops.kms.plugins.module_utils._dns.update import DEFAULT_PORT, DEFAULT_TTL, Goal, Outcome
from ansible_collections.winops.kms.plugins.modules import srv_record

SECRET = "YSBzZWNyZXQgb2YgdGhlIHRlc3Rz"
DOCUMENTED: dict[str, dict[str, Any]] = yaml.safe_load(srv_record.DOCUMENTATION)["options"]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Server, Goal, bool]]:
    """What reaches the update loop; the loop itself does nothing."""
    seen: list[tuple[Server, Goal, bool]] = []

    def ensure(server: Server, goal: Goal, *, check: bool) -> Outcome:
        seen.append((server, goal, check))
        return Outcome(changed=True, records=(), before="before\n", after="after\n", attempts=0 if check else 1)

    monkeypatch.setattr(srv_record, "ensure", ensure)
    monkeypatch.setattr(srv_record, "primary_of", lambda zone, timeout: f"primary-of-{zone}")
    return seen


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    arguments = {"ANSIBLE_MODULE_ARGS": {"zone": "lab.test", "target": "kms01.lab.test", **options}}
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        # As ansible.module_utils.testing does, which older releases of ansible-core do not have.
        patch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(arguments).encode())
        patch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        srv_record.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_the_documentation_is_that_of_the_code() -> None:
    assert DOCUMENTED.keys() == srv_record.ARGUMENTS.keys()
    for name, documented in DOCUMENTED.items():
        coded = srv_record.ARGUMENTS[name]
        for field in ("type", "default", "required", "choices"):
            assert documented.get(field) == coded.get(field), f"{name}: {field}"
    assert f"V({DEFAULT_PORT})" in "".join(DOCUMENTED["port"]["description"])
    assert f"V({DEFAULT_TTL})" in "".join(DOCUMENTED["ttl"]["description"])
    assert library.REQUIREMENT in yaml.safe_load(srv_record.DOCUMENTATION)["requirements"][0]


def test_secrets_alone_are_not_logged() -> None:
    assert [name for name, spec in srv_record.ARGUMENTS.items() if spec.get("no_log")] == ["tsig_key_secret"]


def test_the_examples_use_options_that_exist() -> None:
    for task in yaml.safe_load(srv_record.EXAMPLES):
        assert task["winops.kms.srv_record"].keys() <= srv_record.ARGUMENTS.keys()


def test_defaults(calls: list[tuple[Server, Goal, bool]], capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys)
    ((server, goal, check),) = calls
    assert goal == Goal("lab.test", "kms01.lab.test", present=True, port=None, priority=0, weight=0, ttl=None)
    assert (server.host, server.port, server.timeout, check) == ("primary-of-lab.test", 53, 10.0, False)
    assert server.credential.label == "a request without a key"
    assert (result["changed"], result["records"], result["attempts"]) == (True, [], 1)
    assert result["server"] == "primary-of-lab.test"
    assert (result["diff"]["before"], result["diff"]["after"]) == ("before\n", "after\n")
    assert result["diff"]["before_header"] == "_vlmcs._tcp.lab.test"


def test_every_option_arrives(calls: list[tuple[Server, Goal, bool]], capsys: pytest.CaptureFixture[str]) -> None:
    result = run(
        capsys,
        _ansible_check_mode=True,
        zone="lab.test.",
        target="kms01.lab.test.",
        port=1700,
        priority=1,
        weight=2,
        ttl=0,
        state="absent",
        server="2001:db8::53",
        server_port=5353,
        tsig_key_name="kms-key.",
        tsig_key_secret=SECRET,
        tsig_algorithm="hmac-sha512",
        timeout=3,
    )
    ((server, goal, check),) = calls
    assert goal == Goal("lab.test", "kms01.lab.test", present=False, port=1700, priority=1, weight=2, ttl=0)
    assert (server.host, server.port, server.timeout, check) == ("2001:db8::53", 5353, 3.0, True)
    assert server.credential.label == "the TSIG key kms-key (hmac-sha512)"
    assert SECRET not in json.dumps(result)


def test_empty_texts_are_options_that_were_not_given(
    calls: list[tuple[Server, Goal, bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, server="", tsig_key_name="", tsig_key_secret="")
    assert calls[0][0].host == "primary-of-lab.test"
    assert calls[0][0].credential.label == "a request without a key"


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"zone": "lab..test"}, "zone"),
        ({"target": "kms01"}, "target"),
        ({"target": "192.0.2.1"}, "target"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"priority": -1}, "priority"),
        ({"weight": 65536}, "weight"),
        ({"ttl": -1}, "ttl"),
        ({"ttl": 2**31}, "ttl"),
        ({"server": "ns1.lab.test:53"}, "server"),
        ({"server_port": 0}, "server_port"),
        ({"timeout": 0}, "timeout"),
        ({"tsig_key_name": "kms-key", "tsig_key_secret": "%%%"}, "tsig_key_secret"),
        ({"tsig_key_name": "kms-key", "tsig_key_secret": ""}, "tsig_key_secret"),
        ({"tsig_key_name": "", "tsig_key_secret": SECRET}, "tsig_key_name"),
    ],
)
def test_what_cannot_be_right_is_refused_before_anything_is_sent(
    calls: list[tuple[Server, Goal, bool]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    option: str,
) -> None:
    def nothing_may_be_asked(zone: str, timeout: float) -> str:
        raise AssertionError("a look-up before the options were checked")

    monkeypatch.setattr(srv_record, "primary_of", nothing_may_be_asked)
    result = run(capsys, **options)
    assert result["failed"] is True
    assert result["msg"].startswith(f"Option {option}: ")
    assert result["error"]["name"] == "INVALID_OPTION"
    assert calls == []


def test_a_key_needs_its_secret(calls: list[tuple[Server, Goal, bool]], capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, tsig_key_name="kms-key")
    assert result["failed"] is True
    assert "tsig_key_secret" in result["msg"]
    assert calls == []


def test_a_failure_has_its_parts(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_ignored: Any, **__: Any) -> Outcome:
        raise ZoneError("REFUSED", "What happened.", "What to do.", code=5)

    monkeypatch.setattr(srv_record, "ensure", fail)
    result = run(capsys, server="192.0.2.53")
    assert result["failed"] is True
    assert result["msg"] == "What happened. What to do."
    assert result["error"] == {"code": "5", "name": "REFUSED", "message": "What happened.", "remedy": "What to do."}


def test_every_range_has_an_option_and_is_checked() -> None:
    assert srv_record.RANGES.keys() == {name for name, spec in srv_record.ARGUMENTS.items() if spec["type"] == "int"}
    for option, (lowest, highest) in srv_record.RANGES.items():
        others = dict.fromkeys(srv_record.RANGES)
        for fine in (lowest, highest):
            srv_record.check_ranges({**others, option: fine})
        for wrong in (lowest - 1, highest + 1):
            with pytest.raises(InputError) as caught:
                srv_record.check_ranges({**others, option: wrong})
            assert caught.value.option == option


def test_without_the_library_the_module_says_what_to_install() -> None:
    """In a process of its own, in which dnspython cannot be imported."""
    program = (
        "import sys; sys.modules['dns'] = None\n"
        "from ansible.module_utils import basic\n"
        "from ansible_collections.winops.kms.plugins.modules import srv_record\n"
        'basic._ANSIBLE_ARGS = b\'{"ANSIBLE_MODULE_ARGS": {"zone": "lab.test", "target": "kms01.lab.test"}}\'\n'
        "basic._ANSIBLE_PROFILE = 'legacy'\n"
        "srv_record.main()\n"
    )
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    result = json.loads(done.stdout)
    assert (done.returncode, result["failed"]) == (1, True)
    assert "dnspython" in result["msg"]
