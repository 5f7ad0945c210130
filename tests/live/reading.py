# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tasks of a run that changes nothing, and of the one that changes settings and puts them back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.winops.kms.tests.live import questions
from ansible_collections.winops.kms.tests.live.playbook import Task
from ansible_collections.winops.kms.tests.live.settings import Settings

#: Names that no estate has: `.example` is reserved (RFC 2606).
TEST_SERVER = "winops-live-test.example"
TEST_DOMAIN = "winops-live.example"
TEST_PORT = 1699

#: Columns that are also read with pywinrm or pypsrp alone.
RAW_QUERIES = {
    "service": [
        "SoftwareLicensingService",
        [
            "Version",
            "ClientMachineID",
            "KeyManagementServiceMachine",
            "KeyManagementServicePort",
            "KeyManagementServiceLookupDomain",
            "KeyManagementServiceHostCaching",
            "KeyManagementServiceListeningPort",
            "KeyManagementServiceDnsPublishing",
            "VLActivationInterval",
            "VLRenewalInterval",
        ],
    ],
    "products": [
        "SoftwareLicensingProduct",
        [
            "ID",
            "ApplicationID",
            "Name",
            "Description",
            "PartialProductKey",
            "ProductKeyID",
            "LicenseStatus",
            "LicenseStatusReason",
            "GracePeriodRemaining",
            "KeyManagementServiceMachine",
        ],
        "PartialProductKey IS NOT NULL",
    ],
    "computer": ["Win32_ComputerSystem", ["Domain", "PartOfDomain"]],
    "system": ["Win32_OperatingSystem", ["BuildNumber", "OperatingSystemSKU", "Caption"]],
}


def _task(name: str, module: str, options: dict[str, Any] | None = None, **keywords: Any) -> Task:
    full = module if module.startswith("live_") else f"winops.kms.{module}"
    return {"name": name, full: options or {}, "ignore_errors": True, **keywords}


def read_only(settings: Settings, connection: str) -> list[Task]:
    """Everything that reads, and check mode of what writes."""
    # A workgroup has no domain; that nobody publishes in this one is an answer, too.
    own = "{{ raw.rows.computer[0].Domain if raw.rows.computer[0].PartOfDomain | lower == 'true' else '%s' }}"
    domain = settings.domain or own % TEST_DOMAIN
    server = {"server": settings.dns_server, "server_port": settings.dns_port} if settings.dns_server else {}
    same = {
        "server": "{{ info.service.kms_server | default(omit, true) }}",
        "port": "{{ (info.service.kms_port | default(omit, true)) if info.service.kms_server else omit }}",
        "discover": "{{ not info.service.kms_server and not info.service.kms_port }}",
        "lookup_domain": "{{ info.service.kms_lookup_domain | default('', true) }}",
        "host_caching": "{{ info.service.host_caching }}",
    }
    other = {
        "server": TEST_SERVER,
        "port": TEST_PORT,
        "lookup_domain": TEST_DOMAIN,
        "host_caching": "{{ not info.service.host_caching }}",
    }
    host_same = {
        "port": "{{ info.kms_host.port }}",
        "dns_publishing": "{{ info.kms_host.dns_publishing }}",
        "low_priority": "{{ info.kms_host.low_priority }}",
    }
    host_other = {"dns_publishing": "{{ not info.kms_host.dns_publishing }}"}
    return [
        _task("raw", "live_raw", {"queries": RAW_QUERIES}, register="raw"),
        _task("license", "license_info", register="info"),
        _task("license of all", "license_info", {"application": "all"}),
        _task("license of Office", "license_info", {"application": "office"}),
        _task("preflight host", "preflight_info", {"role": "host"}),
        _task("preflight client", "preflight_info", {"role": "client"}),
        _task("requests host", "host_requests_info", {"side": "host", "hours": 168, "limit": 200}),
        _task("requests client", "host_requests_info", {"side": "client", "hours": 168, "limit": 200}),
        _task(
            "discovery",
            "discovery_info",
            {"domains": [domain], "probe": settings.probe, "timeout": 3, **server},
            delegate_to="localhost",
            vars={"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        ),
        _task(
            "srv record",
            "windows_srv_record",
            {"domain": domain, "target": f"winops-live-test.{domain}", "state": "absent"},
            check_mode=True,
        ),
        _task("client same", "client", same, check_mode=True),
        _task("client other", "client", other, check_mode=True, diff=True),
        _task("host same", "host", host_same, check_mode=True),
        _task("host other", "host", host_other, check_mode=True, diff=True),
        _task("activation", "activation", check_mode=True),
        _task("license again", "license_info"),
        _task(
            "look",
            "live_look",
            {"folder": str(recordings(settings, connection)), "forbidden": list(settings.forbidden)},
        ),
    ]


def recordings(settings: Settings, connection: str) -> Path:
    """Where the recordings of a connection are written."""
    return settings.output / connection / "exchanges"


def write_table(settings: Settings, connection: str, build: int, answers: list[dict[str, str]]) -> Path:
    """Write the answers to the open questions as a table, which names no host."""
    path = settings.output / connection / "open_questions.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(questions.as_table(answers, f"Windows build {build}, by {connection}."), encoding="utf-8")
    return path


def change(settings: Settings, before: dict[str, Any]) -> list[Task]:
    """Change all settings of a client that can be put back."""
    options = {
        "server": TEST_SERVER,
        "port": TEST_PORT,
        "lookup_domain": TEST_DOMAIN,
        "host_caching": not before["host_caching"],
    }
    return [
        _task("change", "client", options),
        _task("change again", "client", options),
        _task("changed", "license_info"),
        _task("raw", "live_raw", {"queries": RAW_QUERIES}),
        _task("look", "live_look", {"forbidden": list(settings.forbidden)}),
    ]


def restore(before: dict[str, Any]) -> list[Task]:
    """Put the settings back to what `service` of license_info said."""
    rest = {"lookup_domain": before["kms_lookup_domain"] or "", "host_caching": before["host_caching"]}
    if before["kms_server"]:
        tasks = [
            _task("restore", "client", {**rest, "server": before["kms_server"], "port": before["kms_port"] or 1688})
        ]
    else:
        tasks = [_task("restore", "client", {**rest, "discover": True})]
        if before["kms_port"]:
            tasks.append(_task("restore the port", "client", {"port": before["kms_port"]}))
    return [*tasks, _task("restored", "license_info")]
