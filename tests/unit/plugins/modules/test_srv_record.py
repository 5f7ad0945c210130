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

from ansible_collections.winops.kms.plugins.module_utils._dns import library, options
from ansible_collections.winops.kms.plugins.module_utils._dns.errors import InputError, ServerError, ZoneError
from ansible_collections.winops.kms.plugins.module_utils._dns.exchange import Server
from ansible_collections.winops.kms.plugins.module_utils._dns.gss import GssCredential
from ansible_collections.winops.kms.plugins.module_utils._dns.nameservers import View
from ansible_collections.winops.kms.plugins.module_utils._dns.update import (
    DEFAULT_PORT,
    DEFAULT_TTL,
    Goal,
    Host,
    Outcome,
)
from ansible_collections.winops.kms.plugins.modules import srv_record

PROBES: list[bool] = []
SECRET = "YSBzZWNyZXQgb2YgdGhlIHRlc3Rz"
DOCUMENTED: dict[str, dict[str, Any]] = yaml.safe_load(srv_record.DOCUMENTATION)["options"]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Server, Goal, bool]]:
    """What reaches the update loop; the loop itself does nothing."""
    seen: list[tuple[Server, Goal, bool]] = []
    probes = PROBES
    probes.clear()

    def ensure(server: Server, goal: Goal, *, check: bool, probe: bool) -> Outcome:
        seen.append((server, goal, check))
        probes.append(probe)
        return Outcome(changed=True, records=(), before="before\n", after="after\n", attempts=0 if check else 1)

    monkeypatch.setattr(srv_record, "ensure", ensure)
    monkeypatch.setattr(srv_record, "primary_of", lambda domain, zone, timeout: f"primary-of-{zone or domain}")
    return seen


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    given = {"zone": "lab.test", "target": "kms01.lab.test", **options}
    arguments = {"ANSIBLE_MODULE_ARGS": {name: value for name, value in given.items() if value is not None}}
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        # As ansible.module_utils.testing does, which older releases of ansible-core do not have.
        patch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(arguments).encode())
        patch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        srv_record.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_the_documentation_is_that_of_the_code() -> None:
    assert DOCUMENTED.keys() == srv_record.ARGUMENTS.keys()
    pairs = [(documented, srv_record.ARGUMENTS[name]) for name, documented in DOCUMENTED.items()]
    assert DOCUMENTED["records"]["suboptions"].keys() == srv_record.ARGUMENTS["records"]["options"].keys()
    for name, documented in DOCUMENTED["records"]["suboptions"].items():
        pairs.append((documented, srv_record.ARGUMENTS["records"]["options"][name]))
    for documented, coded in pairs:
        for field in ("type", "default", "required", "choices", "elements"):
            assert documented.get(field) == coded.get(field), f"{documented['description']}: {field}"
    assert f"V({DEFAULT_PORT})" in "".join(DOCUMENTED["port"]["description"])
    assert f"V({DEFAULT_TTL})" in "".join(DOCUMENTED["ttl"]["description"])
    assert library.REQUIREMENT in yaml.safe_load(srv_record.DOCUMENTATION)["requirements"][0]


def test_secrets_alone_are_not_logged() -> None:
    assert [name for name, spec in srv_record.ARGUMENTS.items() if spec.get("no_log")] == [
        "tsig_key_secret",
        "gss_password",
    ]


def test_the_examples_use_options_that_exist() -> None:
    for task in yaml.safe_load(srv_record.EXAMPLES):
        assert task["winops.kms.srv_record"].keys() <= srv_record.ARGUMENTS.keys()


def test_defaults(calls: list[tuple[Server, Goal, bool]], capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys)
    ((server, goal, check),) = calls
    assert goal == Goal("lab.test", (Host("kms01.lab.test", None, 0, 0),), present=True, zone="lab.test")
    assert PROBES == [False]
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
        domain="office.lab.test.",
        refresh=True,
        probe=True,
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
    host = Host("kms01.lab.test", port=1700, priority=1, weight=2)
    assert goal == Goal("office.lab.test", (host,), present=False, ttl=0, refresh=True, zone="lab.test")
    assert PROBES == [True]
    assert (server.host, server.port, server.timeout, check) == ("2001:db8::53", 5353, 3.0, True)
    assert server.credential.label == "the TSIG key kms-key (hmac-sha512)"
    assert SECRET not in json.dumps(result)


def test_empty_texts_are_options_that_were_not_given(
    calls: list[tuple[Server, Goal, bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    gss = dict.fromkeys(srv_record.GSS_OPTIONS, "")
    run(capsys, server="", tsig_key_name="", tsig_key_secret="", domain="", **gss)
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
        ({"domain": "192.0.2.1"}, "domain"),
        ({"domain": "elsewhere.example"}, "domain"),
        ({"exclusive": True, "state": "absent"}, "exclusive"),
        ({"target": None, "records": []}, "records"),
        ({"target": None, "records": [{"target": "kms01"}]}, "target"),
        ({"target": None, "records": [{"target": "a.lab.test"}, {"target": "A.lab.test."}]}, "records"),
        ({"target": None, "records": [{"target": "a.lab.test", "port": 0}]}, "port"),
        ({"target": None, "records": [{"target": "a.lab.test", "weight": 65536}]}, "weight"),
        ({"target": None, "zone": None, "records": [{"target": "a.lab.test"}, {"target": "a.test"}]}, "domain"),
        ({"gss_password": "geheim"}, "gss_password"),
        ({"gss_keytab": "/etc/krb5.keytab"}, "gss_keytab"),
        ({"gss_tsig": True, "tsig_key_name": "kms-key", "tsig_key_secret": SECRET}, "tsig_key_name"),
        ({"gss_tsig": True, "server": "192.0.2.53"}, "gss_hostname"),
        ({"gss_tsig": True, "server": "192.0.2.53", "gss_hostname": "192.0.2.53"}, "gss_hostname"),
        ({"gss_tsig": True, "gss_password": "geheim"}, "gss_principal"),
        ({"gss_tsig": True, "gss_ccache": "/tmp/x", "gss_keytab": sys.executable}, "gss_keytab"),
        ({"gss_tsig": True, "gss_keytab": "/nowhere/kms.keytab"}, "gss_keytab"),
        ({"gss_tsig": True, "gss_keytab": "FILE:/nowhere/kms.keytab"}, "gss_keytab"),
    ],
)
def test_what_cannot_be_right_is_refused_before_anything_is_sent(
    calls: list[tuple[Server, Goal, bool]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    option: str,
) -> None:
    def nothing_may_be_asked(domain: str, zone: str | None, timeout: float) -> str:
        raise AssertionError("a look-up before the options were checked")

    monkeypatch.setattr(srv_record, "primary_of", nothing_may_be_asked)
    result = run(capsys, **options)
    assert result["failed"] is True
    assert result["msg"].startswith(f"Option {option}: ")
    assert result["error"]["name"] == "INVALID_OPTION"
    assert "geheim" not in json.dumps({**result, "invocation": None})
    assert calls == []


@pytest.mark.parametrize(
    ("options", "domain", "zone", "server"),
    [
        ({"zone": None}, "lab.test", None, "primary-of-lab.test"),
        ({"zone": None, "target": "kms01.office.lab.test"}, "office.lab.test", None, "primary-of-office.lab.test"),
        ({"zone": None, "domain": "office.lab.test"}, "office.lab.test", None, "primary-of-office.lab.test"),
        ({"domain": "office.lab.test"}, "office.lab.test", "lab.test", "primary-of-lab.test"),
    ],
)
def test_the_domain_and_the_zone(
    calls: list[tuple[Server, Goal, bool]],
    capsys: pytest.CaptureFixture[str],
    options: dict[str, Any],
    domain: str,
    zone: str | None,
    server: str,
) -> None:
    result = run(capsys, **options)
    ((_server, goal, _check),) = calls
    assert (goal.domain, goal.zone, result["domain"], result["server"]) == (domain, zone, domain, server)


def test_several_hosts(calls: list[tuple[Server, Goal, bool]], capsys: pytest.CaptureFixture[str]) -> None:
    records = [{"target": "kms01.lab.test."}, {"target": "kms02.lab.test", "port": 1700, "priority": 1, "weight": 2}]
    run(capsys, target=None, records=records, exclusive=True, port=9, priority=9, weight=9)
    ((_server, goal, _check),) = calls
    assert goal.hosts == (Host("kms01.lab.test"), Host("kms02.lab.test", 1700, 1, 2))
    assert goal.exclusive


@pytest.mark.parametrize("options", [{}, {"records": [{"target": "kms02.lab.test"}]}])
def test_a_target_or_a_list(
    calls: list[tuple[Server, Goal, bool]], capsys: pytest.CaptureFixture[str], options: dict[str, Any]
) -> None:
    result = run(capsys, **(options or {"target": None}))
    assert result["failed"] is True
    assert "target" in result["msg"] and "records" in result["msg"]
    assert calls == []


def test_a_kerberos_identity(calls: list[tuple[Server, Goal, bool]], capsys: pytest.CaptureFixture[str]) -> None:
    run(
        capsys,
        server="192.0.2.53",
        gss_tsig=True,
        gss_principal="kms@LAB.TEST",
        gss_password="geheim",
        gss_hostname="DC1.lab.test.",
    )
    credential = calls[0][0].credential
    assert isinstance(credential, GssCredential)
    assert credential.label == "the Kerberos principal kms@LAB.TEST"
    assert credential.service_host(calls[0][0]) == "dc1.lab.test"
    assert "geheim" not in repr(calls[0][0])


def test_what_check_mode_was_told_is_a_warning(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = ServerError("REFUSED", "It refused.", "Grant it.", code=5)

    def ensure(server: Server, *_: Any, **__: Any) -> Outcome:
        server.unproven = 2
        return Outcome(True, (), "", "", 0, zone="lab.test", may_update=False, refusal=refusal)

    warned: list[str] = []
    # Where warnings go depends on what else of ansible-core this process has loaded.
    monkeypatch.setattr(basic.AnsibleModule, "warn", lambda module, text: warned.append(text))
    monkeypatch.setattr(srv_record, "ensure", ensure)
    result = run(capsys, server="192.0.2.53", tsig_key_name="kms-key", tsig_key_secret=SECRET, _ansible_check_mode=True)
    assert (result["may_update"], result["verified"], result["zone"]) == (False, False, "lab.test")
    assert any("It refused. Grant it." in text for text in warned)
    assert any("not signed in a way that can be verified" in text for text in warned)


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
    assert options.RANGES.keys() == {name for name, spec in srv_record.ARGUMENTS.items() if spec["type"] == "int"}
    for option, (lowest, highest) in options.RANGES.items():
        others = dict.fromkeys(options.RANGES)
        for fine in (lowest, highest):
            options.check_ranges({**others, option: fine})
        for wrong in (lowest - 1, highest + 1):
            with pytest.raises(InputError) as caught:
                options.check_ranges({**others, option: wrong})
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


@pytest.mark.parametrize("status", ["as_wanted", "differs"])
def test_name_servers_are_asked_on_request(
    status: str,
    calls: list[tuple[Server, Goal, bool]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def look(server: Server, goal: Goal, zone: str, *, left_out: list[str]) -> tuple[View, ...]:
        asked.append((server, goal.domain, left_out))
        return (View("ns2.lab.test", "192.0.2.2", status, (), "" if status == "as_wanted" else "It differs."),)

    monkeypatch.setattr(srv_record, "look", look)
    without = run(capsys)
    assert (without["nameservers"], without["nameservers_agree"], asked) == ([], None, [])
    foretold = run(capsys, nameservers=True, _ansible_check_mode=True)
    assert (foretold["changed"], foretold["nameservers_agree"], asked) == (True, None, []), "nobody can have it yet"
    result = run(capsys, nameservers=True, nameservers_except=["ns9.lab.test"])
    assert asked == [(calls[-1][0], "lab.test", ["ns9.lab.test"])]
    (entry,) = result["nameservers"]
    documented = yaml.safe_load(srv_record.RETURN)["nameservers"]["contains"]
    assert entry.keys() == documented.keys()
    assert (entry["status"], bool(entry["remedy"])) == (status, status == "differs")
    assert result["nameservers_agree"] is (status == "as_wanted")
