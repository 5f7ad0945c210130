# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""winops.kms.license_info: all that Windows tells about its licences."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._action.base import LicensingAction, Task
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.info import read_license_info


class ActionModule(LicensingAction):
    argument_spec = specs.LICENSE_INFO

    def perform(self, session: CimSession, task: Task, wish: None) -> dict[str, Any]:
        found = read_license_info(session, task.scope)
        return {"changed": False, "ansible_facts": {"winops_kms": found}, **found}
