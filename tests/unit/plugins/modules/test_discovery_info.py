# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole module against a resolver and hosts of the test: options, result, documentation, missing library."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import dns.rcode
import pytest
import yaml
from ansible.module_utils import basic

from ansible_collections.winops.kms.plugins.module_utils._discovery.findings import RULES
from ansible_collections.winops.kms.plugins.module_utils._discovery.probe import bind_pdu
from ansible_collections.winops.kms.plugins.module_utils._discovery.survey import MOST_AT_ONCE
from ansible_collections.winops.kms.plugins.module_utils._dns import library
from ansible_collections.winops.kms.plugins.module_utils._dns.errors import InputError
from ansible_collections.winops.kms.plugins.modules import discovery_info

from ..module_utils._discovery.fake_dns import TTL, FakeDns
from ..module_utils._discovery.fake_host import ACCEPTED, REJECTED, FakeHost, closed_port

DOCUMENTED: dict[str, dict[str, Any]] = yaml.safe_load(discovery_info.DOCUMENTATION)["options"]
RETURNED: dict[str, dict[str, Any]] = yaml.safe_load(discovery_info.RETURN)


@pytest.fixture
def fake() -> Iterator[FakeDns]:
    with FakeDns({"lab.test SOA": ["ns1.lab.test. host.lab.test. 1 2 3 4 5"]}) as server:
        yield server


def publish(fake: FakeDns, *records: str, addresses: dict[str, list[str]]) -> None:
    fake.names["_vlmcs._tcp.lab.test SRV"] = records
    fake.names.update(addresses)


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    arguments = {"ANSIBLE_MODULE_ARGS": {"domains": ["lab.test"], **options}}
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        # As ansible.module_utils.testing does, which older releases of ansible-core do not have.
        patch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(arguments).encode())
        patch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        discovery_info.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def shape(value: Any, documented: dict[str, Any], where: str) -> None:
    """Every key of the result is documented, with its type, and every documented key is there."""
    types: dict[str, type] = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict}
    if value is None:
        assert "V(null)" in str(documented["description"]), where
        return
    assert isinstance(value, types[documented["type"]]), where
    inners: list[Any] = value if isinstance(value, list) else [value]
    for inner in inners:
        if "contains" in documented:
            assert inner.keys() == documented["contains"].keys(), where
            for key, part in documented["contains"].items():
                shape(inner[key], part, f"{where}.{key}")


def test_the_documentation_is_that_of_the_code() -> None:
    assert DOCUMENTED.keys() == discovery_info.ARGUMENTS.keys()
    for name, documented in DOCUMENTED.items():
        coded = discovery_info.ARGUMENTS[name]
        for field in ("type", "elements", "default", "required", "choices"):
            assert documented.get(field) == coded.get(field), f"{name}: {field}"
    assert f"Up to {MOST_AT_ONCE} " in " ".join(DOCUMENTED["timeout"]["description"])
    assert library.REQUIREMENT in yaml.safe_load(discovery_info.DOCUMENTATION)["requirements"][0]


def test_every_code_is_documented_by_its_rule() -> None:
    assert RETURNED["findings"]["contains"]["code"]["description"] == [
        f"V({code}), {rule.severity} - {rule.meaning}" for code, rule in RULES.items()
    ]


def test_the_examples_use_options_that_exist() -> None:
    tasks = [task for task in yaml.safe_load(discovery_info.EXAMPLES) if "winops.kms.discovery_info" in task]
    assert tasks
    for task in tasks:
        assert task["winops.kms.discovery_info"].keys() <= discovery_info.ARGUMENTS.keys()


@pytest.mark.parametrize("check", [False, True])
def test_a_domain_in_good_order(fake: FakeDns, capsys: pytest.CaptureFixture[str], check: bool) -> None:
    with FakeHost(ACCEPTED) as host, FakeHost(ACCEPTED, address="::1", port=host.port) as same_host:
        publish(
            fake,
            f"0 0 {host.port} kms01.lab.test.",
            addresses={"kms01.lab.test A": ["127.0.0.1"], "kms01.lab.test AAAA": ["::1"]},
        )
        result = run(
            capsys,
            server="127.0.0.1",
            server_port=fake.port,
            expected_hosts=[{"target": "KMS01.lab.test.", "port": str(host.port)}],
            _ansible_check_mode=check,
        )
    assert host.received == [bind_pdu()]
    assert same_host.received == [bind_pdu()]
    verdict = {"tcp": "open", "rpc": "kms", "reason": ""}
    assert {key: result[key] for key in ("changed", "findings", "worst", "msg")} == {
        "changed": False,
        "findings": [],
        "worst": "none",
        "msg": "No findings.",
    }
    assert result["domains"] == [
        {
            "domain": "lab.test",
            "owner": "_vlmcs._tcp.lab.test",
            "status": "found",
            "records": [
                {
                    "target": "kms01.lab.test",
                    "port": host.port,
                    "priority": 0,
                    "weight": 0,
                    "ttl": TTL,
                    "expected": True,
                    "aliases": [],
                    "tcp": "open",
                    "rpc": "kms",
                    "addresses": [
                        {"address": "127.0.0.1", "family": "ipv4", **verdict},
                        {"address": "::1", "family": "ipv6", **verdict},
                    ],
                }
            ],
        }
    ]
    shape(result["domains"], RETURNED["domains"], "domains")


def test_what_is_wrong_is_told_the_worst_first(fake: FakeDns, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeHost(REJECTED) as host, closed_port() as closed:
        publish(
            fake,
            f"0 0 {host.port} kms01.lab.test.",
            f"0 0 {closed} kms02.lab.test.",
            "0 0 1688 gone.lab.test.",
            addresses={"kms01.lab.test A": ["127.0.0.1"], "kms02.lab.test A": ["127.0.0.1"]},
        )
        result = run(
            capsys,
            server="127.0.0.1",
            server_port=fake.port,
            expected_hosts=["kms01.lab.test", "kms02.lab.test", "kms03.lab.test"],
        )
    assert result["worst"] == "error"
    assert [(each["severity"], each["code"], each["target"]) for each in result["findings"]] == [
        ("error", "expected_host_missing", "kms03.lab.test"),
        ("error", "target_without_address", "gone.lab.test"),
        ("error", "not_kms", "kms01.lab.test"),
        ("error", "port_closed", "kms02.lab.test"),
        ("warning", "unexpected_record", "gone.lab.test"),
        ("info", "other_port", "kms01.lab.test"),
        ("info", "other_port", "kms02.lab.test"),
    ]
    assert result["msg"].startswith("4 errors, 1 warning, 2 infos. The expected host kms03.lab.test has no record")
    assert result["msg"].endswith("And 1 more.")
    shape(result["findings"], RETURNED["findings"], "findings")
    shape(result["domains"], RETURNED["domains"], "domains")
    assert [each["expected"] for each in result["domains"][0]["records"]] == [False, True, True]


@pytest.mark.parametrize(("probe", "tcp"), [("none", None), ("tcp", "open")])
def test_less_is_probed_on_request(
    fake: FakeDns, capsys: pytest.CaptureFixture[str], probe: str, tcp: str | None
) -> None:
    with FakeHost(ACCEPTED) as host:
        publish(fake, f"0 0 {host.port} kms01.lab.test.", addresses={"kms01.lab.test A": ["127.0.0.1"]})
        result = run(capsys, server="127.0.0.1", server_port=fake.port, probe=probe)
    (record,) = result["domains"][0]["records"]
    assert (record["tcp"], record["rpc"], record["expected"]) == (tcp, None, None)
    assert host.received == ([] if tcp is None else [b""])
    assert [each["code"] for each in result["findings"]] == ["other_port"]
    shape(result["domains"], RETURNED["domains"], "domains")


def test_several_domains_in_their_order_each_once(fake: FakeDns, capsys: pytest.CaptureFixture[str]) -> None:
    fake.rcodes["_vlmcs._tcp.broken.test SRV"] = dns.rcode.SERVFAIL
    result = run(
        capsys,
        domains=["Lab.test.", "no.test", "lab.test", "broken.test", "NO.test"],
        server="127.0.0.1",
        server_port=fake.port,
    )
    assert [(each["domain"], each["status"]) for each in result["domains"]] == [
        ("Lab.test", "no_records"),
        ("no.test", "no_such_domain"),
        ("broken.test", "failed"),
    ]
    assert [each["code"] for each in result["findings"]] == ["no_records", "no_such_domain", "resolver_failed"]
    assert result.get("failed", False) is False


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"domains": []}, "domains"),
        ({"domains": ["lab..test"]}, "domains"),
        ({"domains": ["_vlmcs._tcp.lab.test"]}, "domains"),
        ({"server": "ns1.lab.test:53"}, "server"),
        ({"server_port": 0}, "server_port"),
        ({"timeout": 0}, "timeout"),
        ({"expected_hosts": ["kms01"]}, "expected_hosts"),
        ({"expected_hosts": ["192.0.2.1"]}, "expected_hosts"),
        ({"expected_hosts": [1688]}, "expected_hosts"),
        ({"expected_hosts": [{"port": 1688}]}, "expected_hosts"),
        ({"expected_hosts": [{"target": "kms01.lab.test", "host": "x"}]}, "expected_hosts"),
        ({"expected_hosts": [{"target": "kms01.lab.test", "port": 0}]}, "expected_hosts"),
        ({"expected_hosts": [{"target": "kms01.lab.test", "port": True}]}, "expected_hosts"),
        ({"expected_hosts": [{"target": "kms01.lab.test", "port": "http"}]}, "expected_hosts"),
        ({"expected_hosts": [{"target": "kms01.lab.test", "port": [1688]}]}, "expected_hosts"),
    ],
)
def test_what_cannot_be_right_is_refused_before_anything_is_sent(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], option: str
) -> None:
    def nothing_may_be_asked(*_ignored: object, **_also: object) -> None:
        raise AssertionError("a look-up before the options were checked")

    monkeypatch.setattr(discovery_info, "Lookup", nothing_may_be_asked)
    result = run(capsys, **options)
    assert result["failed"] is True
    assert result["msg"].startswith(f"Option {option}: ")
    assert result["error"]["name"] == "INVALID_OPTION"
    shape(result["error"], RETURNED["error"], "error")


def test_every_range_has_an_option_and_is_checked() -> None:
    assert discovery_info.RANGES.keys() == {
        name for name, spec in discovery_info.ARGUMENTS.items() if spec["type"] == "int"
    }
    for option, (lowest, highest) in discovery_info.RANGES.items():
        for fine in (lowest, highest):
            discovery_info.check_range(option, fine, lowest, highest)
        for wrong in (lowest - 1, highest + 1):
            with pytest.raises(InputError) as caught:
                discovery_info.check_range(option, wrong, lowest, highest)
            assert caught.value.option == option


def test_without_the_library_the_module_says_what_to_install() -> None:
    """In a process of its own, in which dnspython cannot be imported."""
    program = (
        "import sys; sys.modules['dns'] = None\n"
        "from ansible.module_utils import basic\n"
        "from ansible_collections.winops.kms.plugins.modules import discovery_info\n"
        'basic._ANSIBLE_ARGS = b\'{"ANSIBLE_MODULE_ARGS": {"domains": ["lab.test"]}}\'\n'
        "basic._ANSIBLE_PROFILE = 'legacy'\n"
        "discovery_info.main()\n"
    )
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    result = json.loads(done.stdout)
    assert (done.returncode, result["failed"]) == (1, True)
    assert "dnspython" in result["msg"]
