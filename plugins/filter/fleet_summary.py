# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter fleet_summary: results of license_info in, the report of the fleet out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.winops.kms.plugins.plugin_utils._report.document import build_report


def fleet_summary(results: Any, time: str, title: str = "KMS fleet report", previous: Any = None) -> dict[str, Any]:
    """See fleet_summary.yml."""
    if not isinstance(results, Mapping) or not all(isinstance(result, Mapping) for result in results.values()):
        raise AnsibleFilterError(
            "winops.kms.fleet_summary: needs a dictionary of hosts and their results of winops.kms.license_info, "
            f"not {type(results).__name__}"
        )
    return build_report(results, title=str(title), time=str(time), previous=previous if previous else None)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"fleet_summary": fleet_summary}
