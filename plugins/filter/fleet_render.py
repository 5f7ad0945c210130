# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter fleet_render: the report of a fleet as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.winops.kms.plugins.plugin_utils._report.render import render


def fleet_render(report: Any, form: str = "html") -> str:
    """See fleet_render.yml."""
    if not isinstance(report, Mapping) or "rows" not in report or "summary" not in report:
        raise AnsibleFilterError("winops.kms.fleet_render: needs what the filter winops.kms.fleet_summary returned")
    try:
        return render(report, form)
    except ValueError as error:
        raise AnsibleFilterError(f"winops.kms.fleet_render: {error}") from None


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"fleet_render": fleet_render}
