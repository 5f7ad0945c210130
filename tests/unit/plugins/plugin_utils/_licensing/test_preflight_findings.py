# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every rule of the preflight: what raises it, and what next to it does not."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from ansible_collections.winops.kms.plugins import doc_fragments
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.preflight import matrix
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.preflight.check import check_port, parse_kms_hosts
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.preflight.facts import Facts, KmsHost, Tpm
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.preflight.findings import (
    RULES,
    SEVERITIES,
    Finding,
    Wish,
    counts,
    difference,
    findings,
    summary,
    worst,
)

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=timezone.utc)
HOUR, DAY = 3600, 1440
WS22 = "Windows(R) Operating System, VOLUME_KMS_WS22 channel"

#: A KMS host and a KMS client with which nothing is wrong.
HOST = Facts(
    name="kms1",
    role="host",
    release="Windows Server 2022",
    build=20348,
    revision=2849,
    editions=("ServerStandard",),
    sku=7,
    time=NOW,
    clock_difference_seconds=2,
    time_zone_minutes=60,
    key_channel="csvlk",
    description=WS22,
    is_kms_host=True,
    licensed=True,
    services={"sppsvc": "Auto", "W32Time": "Manual"},
    firewall_rule=True,
    remaining_rearms=1001,
)
CLIENT = Facts(
    name="pc",
    role="client",
    kind="client",
    release="Windows 11",
    build=22631,
    editions=("Enterprise",),
    sku=4,
    time=NOW,
    clock_difference_seconds=-2,
    time_zone_minutes=60,
    key_channel="gvlk",
    status="oob_grace",
    grace_minutes_remaining=20 * DAY,
    license_ends=datetime(2026, 3, 22, 8, 0, tzinfo=timezone.utc),
    services={"sppsvc": "Auto", "W32Time": "Manual"},
    remaining_rearms=1001,
    activation_type="any",
)


def kms(name: str = "kms1.corp.example", **more: Any) -> KmsHost:
    """A KMS host that activates everything up to Windows Server 2022 and Windows 11."""
    known: dict[str, Any] = {
        "release": "Windows Server 2022",
        "revision": 2849,
        "group": matrix.group_named("Windows Server 2022"),
        "ready": True,
        "clock_difference_seconds": 0,
    }
    return KmsHost(name=name, **{**known, **more})


def ws(year: int) -> matrix.HostGroup | None:
    return matrix.group_named(f"Windows Server {year}")


NEWEST = kms("kms2.corp.example", group=ws(2025), release="Windows Server 2025")
BOTH = (kms(), NEWEST)
SERVER = {"kind": "server", "release": "Windows Server 2025"}
OLD = {"release": "Windows Server 2012 R2", "revision": None}


class Case(NamedTuple):
    """Facts and wish that differ from those with which nothing is wrong, and a word that the message must have."""

    check: str
    base: Facts
    facts: dict[str, Any]
    wish: dict[str, Any] = {}
    says: str = ""


RAISED = [
    Case("evaluation_edition", HOST, {"editions": ("ServerStandardEval",)}, says="ServerStandardEval"),
    Case("evaluation_edition", CLIENT, {"editions": (), "sku": 72}, says="72"),
    Case("sppsvc_disabled", HOST, {"services": {"sppsvc": "Disabled"}}),
    Case("sppsvc_disabled", CLIENT, {"services": {"sppsvc": "Disabled", "W32Time": "Auto"}}),
    Case("clock_wrong", HOST, {"clock_difference_seconds": 4 * HOUR + 60}, says="4 h 1 min ahead of"),
    Case("clock_wrong", CLIENT, {"clock_difference_seconds": -400 * DAY * 60}, says="400 d behind"),
    Case("clock_wrong", CLIENT, {"clock_difference_seconds": 5 * HOUR},
         {"kms_hosts": (kms(clock_difference_seconds=None),)}),
    Case("clock_differs", HOST, {"clock_difference_seconds": 4 * HOUR}),
    Case("clock_differs", HOST, {"clock_difference_seconds": -HOUR - 60}, says="1 h 1 min behind"),
    Case("clock_kerberos", HOST, {"clock_difference_seconds": 360}, says="6 min ahead of"),
    Case("clock_kerberos", CLIENT, {"clock_difference_seconds": -HOUR}),
    Case("clock_unsynchronised", HOST,
         {"clock_difference_seconds": 301, "services": {"sppsvc": "Auto", "W32Time": "Disabled"}}),
    Case("time_service_disabled", HOST, {"services": {"sppsvc": "Auto", "W32Time": "Disabled"}}),
    Case("grace_ends_soon", CLIENT,
         {"grace_minutes_remaining": 2 * DAY, "license_ends": datetime(2026, 3, 4, 8, 5, tzinfo=timezone.utc)},
         says="oob_grace ends on 2026-03-04 at 08:05 UTC; the time zone of the machine is UTC+01:00"),
    Case("grace_ends_soon", CLIENT,
         {"grace_minutes_remaining": 3 * DAY, "license_ends": NOW, "time_zone_minutes": -210}, says="UTC-03:30"),
    Case("skip_rearm", CLIENT, {"skip_rearm": True}),
    Case("user_operations", HOST, {"user_operations": True}),
    Case("no_rearms_left", CLIENT, {"remaining_rearms": 0}),
    Case("not_read", HOST, {"not_read": ("the TPM", "the registry")}, says="the TPM, the registry"),
    # hosts
    Case("azure_edition", HOST, {"editions": ("ServerTurbine",), "sku": 407}, says="ServerTurbine"),
    Case("client_os_host", HOST,
         {"kind": "client", "release": "Windows 10", "description": "x, VOLUME_KMS_W10 channel"}, says="Windows 10"),
    Case("no_host_key_for_release", HOST, {"release": "Windows Server 2008 R2", "updates": ("KB3079821",)}),
    Case("updates_missing", HOST, {"revision": 2321, "description": "x, VOLUME_KMS_WS25 channel"},
         says="Windows Server 2025, for which it needs KB5034765"),
    Case("updates_missing", HOST, {"revision": 1, "is_kms_host": False, "description": None}),
    Case("updates_unknown", HOST, {**OLD, "description": "x, VOLUME_KMS_WS19 channel"},
         says="Windows Server 2019, for which it needs KB4467695"),
    Case("updates_unknown", HOST, {"revision": None, "description": "x, VOLUME_KMS_WS25 channel"}),
    Case("firewall_closed", HOST, {"firewall_rule": False}),
    Case("firewall_other_port", HOST, {"kms_port": 1699}, says="1699"),
    Case("firewall_other_port", HOST, {"firewall_rule": False}, {"port": 1700, "firewall": True}, says="1700"),
    Case("tpm_not_ready", HOST, {"tpm": Tpm(True, True, "1.2, 2, 3")}, says="version 1.2, 2, 3"),
    Case("tpm_not_ready", HOST, {"tpm": Tpm(False, True, "2.0, 0, 1.38")}, says="switched off"),
    # clients
    Case("no_host_activates", CLIENT, SERVER, {"kms_hosts": (kms(),)}, says="group Windows Server 2022"),
    Case("no_host_activates", CLIENT, SERVER, {"kms_hosts": BOTH, "server": "kms1"}),
    Case("no_host_activates", CLIENT, {"kind": "server", "release": "Windows Server 2016"},
         {"kms_hosts": (kms(kind="client", release="Windows 10", group=matrix.group_named("Windows 10")),)},
         says="activates no servers"),
    Case("no_host_activates", CLIENT, SERVER, {"kms_hosts": (kms(group=ws(2025), revision=1),)}, says="KB5034765"),
    Case("host_does_not_activate", CLIENT, SERVER, {"kms_hosts": BOTH}, says="kms1.corp.example has a key"),
    Case("activation_unknown", CLIENT, {"release": "Windows 8"}, {"kms_hosts": (kms(),)}, says="Windows 8"),
    Case("activation_unknown", CLIENT, {"release": None, "caption": "Windows 13", "build": 40000},
         {"kms_hosts": (kms(),)}, says="Windows 13, build 40000"),
    Case("activation_unknown", CLIENT, {}, {"kms_hosts": (kms(group=None),)}, says="key group not known"),
    Case("activation_unknown", CLIENT, {}, {"kms_hosts": (kms(known=False),)}, says="could not be read"),
    Case("activation_unknown", CLIENT, {"kind": "server", "release": "Windows Server 2016"},
         {"kms_hosts": (kms(release="Windows Server 2012 R2", group=ws(2016), revision=None),)}, says="KB3172614"),
    Case("kms_host_not_ready", CLIENT, {}, {"kms_hosts": (kms("a", ready=False), kms("b", ready=False))}, says="a, b"),
    Case("clock_refused", CLIENT, {}, {"kms_hosts": (kms(clock_difference_seconds=5 * HOUR),)},
         says="5 h behind that of the KMS host kms1.corp.example"),
    Case("clock_of_host_differs", CLIENT, {}, {"kms_hosts": (kms(clock_difference_seconds=-2 * HOUR),)}),
    Case("no_kms_client", CLIENT, {"key_channel": "mak"}, says="MAK"),
    Case("setting_overridden", CLIENT, {"product_kms_server": "old"}, {"discover": True}, says="of the product"),
    Case("setting_overridden", CLIENT, {"application_kms_server": "old"},
         {"server": "kms1", "of_product": True}, says="old, the KMS host of the application"),
    Case("foreign_kms_host", CLIENT, {"machine_kms_server": "rogue.example"}, {"kms_hosts": BOTH}, says="rogue"),
    Case("server_unknown", CLIENT, {}, {"kms_hosts": BOTH, "server": "kms9.corp.example"}, says="kms9"),
    Case("server_port", CLIENT, {}, {"kms_hosts": (kms(port=1699),), "server": "kms1"}, says="1688"),
    Case("server_port", CLIENT, {}, {"kms_hosts": BOTH, "server": "kms1", "port": 1700}, says="listens on 1688"),
    Case("azure_kms", CLIENT, {"machine_kms_server": "azkms.core.windows.net"}, {"kms_hosts": BOTH}),
    Case("azure_repointed", CLIENT, {"machine_kms_server": "azkms.core.windows.net."},
         {"kms_hosts": BOTH, "discover": True}),
    Case("ad_activation", CLIENT, {"ad_activation_object": "Volume activation"}, says="Volume activation"),
    Case("kms_not_allowed", CLIENT, {"activation_type": "token"}, says="token"),
    Case("no_gen_ticket", CLIENT, {"no_gen_ticket": True}),
]  # fmt: skip

SILENT = [
    Case("setting_overridden", CLIENT, {"product_kms_server": "old", "machine_kms_server": "old."}, {"discover": True}),
    Case("evaluation_edition", HOST, {"editions": ("ServerDatacenter",), "sku": 8}),
    Case("sppsvc_disabled", HOST, {"services": {"sppsvc": "Manual"}}),
    Case("clock_wrong", HOST, {"clock_difference_seconds": 4 * HOUR}),
    Case("clock_wrong", CLIENT, {"clock_difference_seconds": 9 * HOUR},
         {"kms_hosts": (kms(clock_difference_seconds=9 * HOUR),)}),
    Case("clock_differs", HOST, {"clock_difference_seconds": HOUR}),
    Case("clock_kerberos", HOST, {"clock_difference_seconds": 300}),
    Case("clock_kerberos", HOST, {"clock_difference_seconds": None}),
    Case("clock_unsynchronised", HOST, {"services": {"W32Time": "Disabled"}}),
    Case("time_service_disabled", HOST, {"services": {"W32Time": "Manual"}}),
    Case("grace_ends_soon", CLIENT, {"grace_minutes_remaining": 3 * DAY + 1}),
    Case("grace_ends_soon", CLIENT, {"grace_minutes_remaining": 0, "license_ends": None}),
    Case("skip_rearm", HOST, {}),
    Case("user_operations", HOST, {}),
    Case("no_rearms_left", HOST, {"remaining_rearms": 1}),
    Case("no_rearms_left", HOST, {"remaining_rearms": None}),
    Case("not_read", HOST, {}),
    Case("azure_edition", CLIENT, {"editions": ("ServerTurbine",), "sku": 407}),
    Case("client_os_host", CLIENT, {}),
    Case("no_host_key_for_release", HOST, {"release": None}),
    Case("no_host_key_for_release", HOST, {"release": "Windows 11"}, {"application": "office"}),
    Case("updates_missing", HOST, {"revision": 2321}),  # its key does not activate what needs the update
    Case("updates_missing", HOST, {"revision": 2322, "description": "x, VOLUME_KMS_WS25 channel"}),
    Case("updates_unknown", HOST,
         {**OLD, "description": "x, VOLUME_KMS_WS19 channel", "updates": ("KB4467695",)}),
    Case("firewall_closed", HOST, {"firewall_rule": False}, {"firewall": True}),
    Case("firewall_closed", HOST, {"firewall_rule": None}),
    Case("firewall_other_port", HOST, {}, {"port": 1688}),
    Case("tpm_not_ready", HOST, {"tpm": Tpm(True, True, "2.0, 0, 1.38")}),
    Case("tpm_not_ready", HOST, {"tpm": None}),
    Case("no_host_activates", CLIENT, SERVER, {"kms_hosts": (kms(), kms("x", known=False))}),
    Case("no_host_activates", CLIENT, {**SERVER, "key_channel": "mak"}, {"kms_hosts": (kms(),)}),
    Case("no_host_activates", CLIENT, SERVER, {"kms_hosts": (kms(),), "application": "office"}),
    Case("host_does_not_activate", CLIENT, SERVER, {"kms_hosts": BOTH, "server": "kms2.corp.example."}),
    Case("activation_unknown", CLIENT, {}, {"kms_hosts": BOTH}),
    Case("kms_host_not_ready", CLIENT, {}, {"kms_hosts": (kms(ready=None),)}),
    Case("clock_refused", CLIENT, {}, {"kms_hosts": (kms(clock_difference_seconds=4 * HOUR - 2),)}),
    Case("clock_refused", CLIENT, {},
         {"kms_hosts": (kms(), kms("kms2", clock_difference_seconds=5 * HOUR)), "server": "kms1"}),
    Case("clock_of_host_differs", CLIENT, {}, {"kms_hosts": (kms(clock_difference_seconds=None),)}),
    Case("no_kms_client", CLIENT, {"key_channel": "retail"}),  # a setup key makes it one
    Case("setting_overridden", CLIENT, {"product_kms_server": "old"}, {"discover": True, "of_product": True}),
    Case("setting_overridden", CLIENT, {"product_kms_server": "KMS1."}, {"server": "kms1"}),
    Case("setting_overridden", CLIENT, {"product_kms_server": "old"}),
    Case("foreign_kms_host", CLIENT, {"machine_kms_server": "rogue.example"}, {"kms_hosts": BOTH, "discover": True}),
    Case("foreign_kms_host", CLIENT, {"machine_kms_server": "KMS1"}, {"kms_hosts": BOTH}),
    Case("foreign_kms_host", CLIENT, {"machine_kms_server": "10.0.0.1"}, {"kms_hosts": BOTH}),
    Case("foreign_kms_host", CLIENT, {"machine_kms_server": "rogue.example"}),
    Case("server_unknown", CLIENT, {}, {"kms_hosts": BOTH, "server": "KMS2.corp.example."}),
    Case("server_unknown", CLIENT, {}, {"server": "kms9"}),
    Case("server_port", CLIENT, {}, {"kms_hosts": (kms(port=1699),), "server": "kms1", "port": 1699}),
    Case("azure_kms", CLIENT, {"machine_kms_server": "kms1"}),
    Case("azure_repointed", CLIENT, {"machine_kms_server": "azkms.core.windows.net"},
         {"server": "AZKMS.core.windows.net"}),
    Case("ad_activation", CLIENT, {"ad_activation_object": "x"}, {"activation_type": "kms"}),
    Case("kms_not_allowed", CLIENT, {"activation_type": "ad"}, {"activation_type": "kms"}),
    Case("kms_not_allowed", CLIENT, {}, {"activation_type": "ad"}),
    Case("no_gen_ticket", HOST, {"no_gen_ticket": True}),
]  # fmt: skip


def found(case: Case) -> dict[str, Finding]:
    facts = Facts(**{**vars(case.base), **case.facts})
    return {finding.check: finding for finding in findings(facts, Wish(**case.wish))}


@pytest.mark.parametrize("case", RAISED, ids=lambda case: case.check)
def test_raised(case: Case) -> None:
    finding = found(case)[case.check]
    assert finding.subject == case.base.name
    assert case.base.name in finding.message and case.says in finding.message
    assert finding.as_result() == {
        "check": case.check,
        "severity": RULES[case.check].severity,
        "subject": case.base.name,
        "message": finding.message,
        "remedy": finding.remedy,
    }


@pytest.mark.parametrize("case", RAISED, ids=lambda case: case.check)
def test_nothing_else_is_raised_beside(case: Case) -> None:
    # The clock of the controller is told too where that of a host differs from it.
    beside = {"clock_kerberos", "clock_differs", "no_host_key_for_release"}
    assert set(found(case)) - beside <= {case.check}


@pytest.mark.parametrize("case", SILENT, ids=lambda case: case.check)
def test_silent(case: Case) -> None:
    assert case.check not in found(case)


def test_every_rule_has_a_case_that_raises_it_and_one_that_does_not() -> None:
    assert {case.check for case in RAISED} == set(RULES)
    assert {case.check for case in SILENT} == set(RULES)


@pytest.mark.parametrize("facts", [HOST, CLIENT], ids=["host", "client"])
def test_nothing_is_found_where_all_is_well(facts: Facts) -> None:
    assert findings(facts, Wish()) == ()
    assert findings(facts, Wish(kms_hosts=BOTH, discover=True)) == ()
    assert summary(()) == "No findings."


def test_the_worst_comes_first_and_is_quoted() -> None:
    facts = Facts(**{**vars(HOST), "user_operations": True, "remaining_rearms": 0, "services": {"sppsvc": "Disabled"}})
    ordered = findings(facts, Wish())
    assert [finding.check for finding in ordered] == ["sppsvc_disabled", "user_operations", "no_rearms_left"]
    assert worst(ordered) == "error" and worst(()) == "none"
    assert counts(ordered) == {"error": 1, "warning": 1, "info": 1}
    assert summary(ordered) == f"1 error, 1 warning, 1 info. {ordered[0].message}"


@pytest.mark.parametrize("check", RULES)
def test_rules_are_whole_sentences(check: str) -> None:
    rule = RULES[check]
    assert rule.severity in SEVERITIES
    for text in (rule.meaning, rule.message, rule.remedy):
        assert text[0].isupper() or text.startswith("{"), text
        assert text.endswith("."), text


def test_the_documentation_lists_every_check_with_its_severity_and_meaning() -> None:
    path = Path(doc_fragments.__path__[0]).parent / "modules" / "preflight_info.yml"
    returned = yaml.safe_load(path.read_text(encoding="utf-8"))["RETURN"]["findings"]["contains"]["check"]
    told = returned["description"][1:]
    assert told == [f"V({check}), {rule.severity} - {rule.meaning}" for check, rule in RULES.items()]


def test_a_licence_alone_is_judged_by_the_licence_alone() -> None:
    facts = Facts(name="pc", role="client", brief=True, key_channel="gvlk", machine_kms_server="rogue.example")
    checks = [finding.check for finding in findings(facts, Wish(kms_hosts=BOTH))]
    assert checks == ["foreign_kms_host"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-59, "0 min behind"), (360, "6 min ahead of"), (7500, "2 h 5 min ahead of"), (-90000, "1 d 1 h behind")],
)
def test_difference(seconds: int, words: str) -> None:
    assert difference(seconds) == words


# --- what another machine told ----------------------------------------------------------------------------------------


def test_a_kms_host_is_read_from_a_result_of_the_module() -> None:
    (told,) = parse_kms_hosts([{"changed": False, "facts": HOST.as_result()}]) or ()
    assert told == KmsHost(
        name="kms1",
        release="Windows Server 2022",
        revision=2849,
        group=matrix.group_named("Windows Server 2022"),
        ready=True,
        clock_difference_seconds=2,
    )


def test_few_facts_by_hand_are_enough() -> None:
    items = [{"name": "kms1", "build": "14393", "revision": 100, "csvlk_group": "Windows Server 2022"}]
    facts = Facts(**{**vars(CLIENT), "kind": "server", "release": "Windows Server 2022"})
    (finding,) = findings(facts, Wish(kms_hosts=parse_kms_hosts(items)))
    assert (finding.check, "Windows Server 2016 needs KB5003638" in finding.message) == ("no_host_activates", True)


@pytest.mark.parametrize(
    ("facts", "ready"),
    [
        ({"is_kms_host": True, "licensed": True}, True),
        ({"is_kms_host": True, "licensed": False}, False),
        ({"is_kms_host": False, "licensed": True}, False),
        ({"is_kms_host": True}, True),
        ({}, None),
    ],
)
def test_whether_a_kms_host_is_ready(facts: dict[str, Any], ready: bool | None) -> None:
    assert KmsHost.of({"name": "kms1", "build": 20348, **facts}).ready is ready


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("kms1", "no name"),
        ({}, "no name"),
        ({"name": ""}, "no name"),
        ({"facts": "x"}, "no name"),
        ({"name": "kms1", "build": "new"}, "build of kms1 is not a number"),
    ],
)
def test_what_is_no_kms_host_is_refused(item: Any, says: str) -> None:
    with pytest.raises(Exception, match=says):
        parse_kms_hosts([item])


def test_of_a_name_alone_nothing_is_known() -> None:
    assert parse_kms_hosts(None) is None
    assert parse_kms_hosts([{"name": "kms1"}]) == (KmsHost(name="kms1", known=False),)


@pytest.mark.parametrize(
    ("name", "computer", "asked", "same"),
    [
        ("kms1.corp.example", None, "KMS1.corp.example.", True),
        ("kms1.corp.example", None, "kms1", True),
        ("kms1", None, "kms1.corp.example", True),
        ("kms1.corp.example", None, "kms1.other.example", False),
        ("alias", "KMS1", "kms1.corp.example", True),
        ("kms1", "KMS1", "kms11", False),
    ],
)
def test_names_of_a_host(name: str, computer: str | None, asked: str, same: bool) -> None:
    assert KmsHost(name=name, computer_name=computer).answers_to(asked) is same


@pytest.mark.parametrize("port", [0, 65536])
def test_a_port_must_be_one(port: int) -> None:
    with pytest.raises(Exception, match=f"port: {port} is out of range"):
        check_port(port)
