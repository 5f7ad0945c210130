# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results of license_info as hosts of a fleet give them, for tests of the report."""

from __future__ import annotations

from typing import Any

TIME = "2026-03-02T08:00:00Z"


def a_license(**changes: Any) -> dict[str, Any]:
    """A KMS client's licence, as license_info returns it (what the report does not read is left out)."""
    return {
        "name": "Windows(R), Enterprise edition",
        "edition": "Enterprise",
        "application": "windows",
        "channel": "Volume:GVLK",
        "partial_product_key": "2YT43",
        "is_addon": False,
        "status": "licensed",
        "status_reason": "0x4004F040",
        "grace_minutes_remaining": 259200,
        "days_remaining": 180,
        "kms_server": "KMS01.corp.example.",
        "kms_port": 1688,
        "kms_server_source": "discovered",
        "trusted_time": "2026-03-02T08:00:00+00:00",
        **changes,
    }


def answer(*licenses: dict[str, Any], machine: str = "5C3A1DD9-0001", **more: Any) -> dict[str, Any]:
    """What license_info registers for a host with these licences."""
    return {
        "changed": False,
        "licenses": list(licenses),
        "service": {"version": "10.0.22631.3007", "client_machine_id": machine},
        "kms_host": {"is_kms_host": False, "current_count": None},
        **more,
    }


def kms_host(count: int | None, **changes: Any) -> dict[str, Any]:
    """What license_info registers for a KMS host."""
    key = a_license(channel="Volume:CSVLK", days_remaining=None, kms_server=None, kms_port=None, **changes)
    counts = {"is_kms_host": True, "current_count": count, "required_count": 25, "port": 1688}
    return answer(
        key, machine="host", kms_host={**counts, "dns_publishing": True, "total_requests": 311, "failed_requests": 2}
    )


UNREACHABLE = {"unreachable": True, "changed": False, "msg": "Task failed: off: the connection was refused"}
DENIED = {
    "changed": False,
    "failed": False,
    "failed_when_result": False,
    "msg": "denied: 0x80041003 WBEM_E_ACCESS_DENIED: Access to WMI is denied. Use an administrator",
    "error": {
        "code": "0x80041003",
        "name": "WBEM_E_ACCESS_DENIED",
        "message": "Access to WMI is denied",
        "remedy": "Use an administrator",
    },
}
