# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds on any real Windows, whatever its licence."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._licensing.state import LICENSE_STATUS
from ansible_collections.winops.kms.tests.live.playbook import Outcome
from ansible_collections.winops.kms.tests.live.settings import Settings

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
HRESULT = re.compile(r"0x[0-9A-F]{8}")
CHANNEL = re.compile(r"(Volume:[A-Z]+|Retail(:.+)?|OEM(:.+)?)")
SEVERITIES = ("error", "warning", "info")
#: Windows counts twice its threshold at most.
MAX_COUNT = 50
#: May be another one a moment later.
VOLATILE = ("grace_minutes_remaining", "days_remaining", "trusted_time", "kms_server", "kms_port", "kms_server_source")

#: Modules that any Windows answers.  The others may have a reason to fail, and must then say it well.
READS = ("license", "license of all", "license of Office", "preflight host", "preflight client", "license again")


@pytest.mark.parametrize("task", READS)
def test_every_windows_answers(seen: Outcome, task: str) -> None:
    assert not seen[task].get("failed"), seen[task].get("msg")
    assert seen[task]["changed"] is False


def test_a_failure_says_what_to_do_next(seen: Outcome) -> None:
    for task, result in seen.results.items():
        if result.get("failed") and not task.startswith(("raw", "look")):
            error = result.get("error")
            assert error, f"{task}: {result.get('msg')}"
            assert error["message"], task
            assert error["remedy"], f"{task}: {result['msg']}"
            assert error["code"] is None or HRESULT.fullmatch(error["code"]) or error["code"] == error["name"], task


def test_nothing_was_written_and_no_shell_was_opened(seen: Outcome) -> None:
    # The raw reads alone are more than these: the watch sees what is sent.
    assert len(seen.of_kind("read")) > len(READS)
    assert seen.of_kind("write") == []
    assert seen.of_kind("shell") == []


def test_the_service(seen: Outcome) -> None:
    service = seen["license"]["service"]
    assert re.fullmatch(r"\d+\.\d+\.\d{4,5}(\.\d+)?", service["version"])
    assert service["build"] >= 7600
    assert GUID.fullmatch(service["client_machine_id"])
    assert service["host_caching"] in (True, False)
    assert service["kms_port"] is None or 1 <= service["kms_port"] <= 65535
    assert service["remaining_windows_rearms"] is None or 0 <= service["remaining_windows_rearms"] <= 1001


def test_each_licence(seen: Outcome) -> None:
    licenses = seen["license of all"]["licenses"]
    assert len({one["activation_id"] for one in licenses}) == len(licenses)
    for one in licenses:
        assert GUID.fullmatch(one["activation_id"])
        assert one["name"]
        assert one["description"]
        assert re.fullmatch(r"[0-9A-Z]{5}", one["partial_product_key"])
        assert 0 <= one["status_code"] < len(LICENSE_STATUS)
        assert one["status"] == LICENSE_STATUS[one["status_code"]]
        assert one["status_reason"] is None or HRESULT.fullmatch(one["status_reason"])
        assert one["channel"] is None or CHANNEL.fullmatch(one["channel"])
        assert one["grace_minutes_remaining"] >= 0
        assert one["is_addon"] in (True, False)
        assert (one["kms_server"] is None) == (one["kms_server_source"] is None)
        assert one["kms_port"] is None or 1 <= one["kms_port"] <= 65535


def test_the_chosen_licence_is_one_of_them(seen: Outcome) -> None:
    chosen, licenses = seen["license"]["license"], seen["license"]["licenses"]
    assert chosen is None or chosen in licenses
    assert {one["activation_id"] for one in licenses} <= {
        one["activation_id"] for one in seen["license of all"]["licenses"]
    }
    assert all(one["application"] == "office" for one in seen["license of Office"]["licenses"])


def test_no_more_of_a_key_than_its_end(seen: Outcome) -> None:
    assert not re.search(r"\b([0-9A-Z]{5}-){4}[0-9A-Z]{5}\b", seen.output)
    assert not re.search(r"\b([0-9A-Z]{5}-){4}[0-9A-Z]{5}\b", repr(seen.results))


def test_the_kms_host(seen: Outcome) -> None:
    host = seen["license"]["kms_host"]
    assert 1 <= host["port"] <= 65535
    if host["is_kms_host"]:
        assert host["current_count"] is None or 0 <= host["current_count"] <= MAX_COUNT
        assert host["required_count"] in (None, 5, 25)
        assert 15 <= host["activation_interval"] <= 43200
        assert 15 <= host["renewal_interval"] <= 43200
        assert host["dns_publishing"] in (True, False)
    else:
        assert host["current_count"] is None


def test_the_facts_are_the_result(seen: Outcome) -> None:
    result = seen["license"]
    facts = result["ansible_facts"]["winops_kms"]
    assert {name: facts[name] for name in ("license", "licenses", "service", "kms_host")} == {
        name: result[name] for name in ("license", "licenses", "service", "kms_host")
    }


@pytest.mark.parametrize("role", ["host", "client"])
def test_preflight(seen: Outcome, role: str) -> None:
    result = seen[f"preflight {role}"]
    facts = result["facts"]
    assert facts["role"] == role
    assert facts["build"] == seen["license"]["service"]["build"]
    assert facts["kind"] in ("server", "client")
    assert facts["caption"] in (None, seen["raw"]["rows"]["system"][0]["Caption"])
    assert facts["time"] is None or datetime.fromisoformat(facts["time"]).tzinfo is not None
    assert -14 * 60 <= (facts["time_zone_minutes"] or 0) <= 14 * 60
    assert set(result["counts"]) == set(SEVERITIES)
    for finding in result["findings"]:
        assert finding["severity"] in SEVERITIES
        assert finding["message"]
        assert finding["check"]
    for severity in SEVERITIES:
        assert result["counts"][severity] == sum(one["severity"] == severity for one in result["findings"])
    worst = next((severity for severity in SEVERITIES if result["counts"][severity]), None)
    assert result["worst"] in (worst, "none" if worst is None else worst)


@pytest.mark.parametrize("side", ["host", "client"])
def test_requests_of_the_log(seen: Outcome, side: str) -> None:
    result = seen[f"requests {side}"]
    assert not result.get("failed"), result.get("msg")
    times = [datetime.fromisoformat(one["time"]) for one in result["requests"]]
    assert times == sorted(times, reverse=True)
    since = datetime.fromisoformat(result["since"])
    assert all(moment >= since for moment in times)
    assert len(times) <= 200
    # An event that is not understood is counted; if all are, their shape is another one than documented.
    assert not (result["unreadable"] and not times), f"{result['unreadable']} events, none of them understood"
    for one in result["requests"]:
        assert GUID.fullmatch(one["client_machine_id"] or "00000000-0000-0000-0000-000000000000")
        assert HRESULT.fullmatch(one["result"]["code"])
    if side == "host":
        identifiers = {one["client_machine_id"] for one in result["requests"] if one["client_machine_id"]}
        assert result["unique_client_machine_ids"] == len(identifiers)


def test_discovery(seen: Outcome) -> None:
    result = seen["discovery"]
    for domain in result.get("domains") or ():
        assert domain["owner"] == f"_vlmcs._tcp.{domain['domain']}"
        for record in domain["records"]:
            assert 0 <= record["port"] <= 65535
            assert 0 <= record["priority"] <= 65535
            assert 0 <= record["weight"] <= 65535


def test_a_dns_server_shows_its_records(seen: Outcome) -> None:
    result = seen["srv record"]
    # On a machine that is no DNS server the failure was looked at above.
    assert result["changed"] is False
    if "records" in result:
        targets = [record["target"] for record in result["records"]]
        assert not any("winops-live-test" in target for target in targets)
        assert len(targets) == len(set(targets))


def test_two_reads_in_a_row_agree(seen: Outcome) -> None:
    assert _steady(seen["license"]) == _steady(seen["license again"])


def test_the_connection_plugins_agree(read_by: Callable[[str], Outcome], settings: Settings) -> None:
    outcomes = [read_by(connection) for connection in settings.connections]
    for outcome in outcomes[1:]:
        for task in ("license", "license of all", "license of Office"):
            assert _steady(outcome[task]) == _steady(outcomes[0][task]), task
        for task in ("preflight host", "preflight client"):
            checks = [[one["check"] for one in each[task]["findings"]] for each in (outcomes[0], outcome)]
            assert checks[0] == checks[1], task


def _steady(result: dict[str, Any]) -> Any:
    licenses = [{k: v for k, v in one.items() if k not in VOLATILE} for one in result["licenses"]]
    return sorted(licenses, key=lambda one: str(one["activation_id"])), result["service"]


def test_the_same_read_without_this_collection(seen: Outcome) -> None:
    raw = seen["raw"]["rows"]
    (service,) = raw["service"]
    read = seen["license"]["service"]
    assert read["version"] == service["Version"]
    assert read["client_machine_id"] == service["ClientMachineID"]
    assert read["kms_server"] == (service["KeyManagementServiceMachine"] or None)
    assert read["kms_port"] == (int(service.get("KeyManagementServicePort") or 0) or None)
    assert read["kms_lookup_domain"] == (service.get("KeyManagementServiceLookupDomain") or None)
    assert read["host_caching"] == (service["KeyManagementServiceHostCaching"].lower() == "true")
    assert seen["license"]["kms_host"]["port"] == (int(service.get("KeyManagementServiceListeningPort") or 0) or 1688)

    products = {one["ID"].lower(): one for one in raw["products"]}
    licenses = {one["activation_id"].lower(): one for one in seen["license of all"]["licenses"]}
    assert licenses.keys() == products.keys()
    for identifier, product in products.items():
        found = licenses[identifier]
        assert found["name"] == product["Name"]
        assert found["description"] == product["Description"]
        assert found["partial_product_key"] == product["PartialProductKey"]
        assert found["product_key_id"] == product["ProductKeyID"]
        assert found["status_code"] == int(product["LicenseStatus"])
        assert int(found["status_reason"] or "0", 16) == int(product["LicenseStatusReason"] or 0) % 2**32
        assert abs(found["grace_minutes_remaining"] - int(product["GracePeriodRemaining"])) <= 10
