# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""winops.kms.activation: activate a product that is not licensed yet."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._action.base import LicensingAction, Task
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.product import activate_product


class ActionModule(LicensingAction):
    argument_spec = specs.ACTIVATION

    def perform(self, session: CimSession, task: Task, wish: None) -> dict[str, Any]:
        outcome = activate_product(self.applier(session, task), check=task.check)
        return self.outcome_result(outcome, pending_fails=task.options["fail_when_pending"])
