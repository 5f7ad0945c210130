# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""winops.kms.rearm: rearm Windows, an application or a product, while there is a reason to."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._action.base import LicensingAction, Task
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.rearm import RearmWish, rearm

_OPTIONS = ("scope", "application", "application_id", "activation_id", "if_days_left_below", "force", "keep")


class ActionModule(LicensingAction):
    argument_spec = specs.REARM

    def prepare(self, task: Task) -> RearmWish:
        identifiers = task.options["if_client_machine_id"] or ()
        return RearmWish.of(if_client_machine_id=identifiers, **task.given(_OPTIONS))

    def perform(self, session: CimSession, task: Task, wish: RearmWish) -> dict[str, Any]:
        done = rearm(self.applier(session, task), wish, check=task.check)
        result = self.outcome_result(done.outcome)
        result.update(
            rearms={"before": done.before, "after": done.after},
            restart_required=done.restart_required,
            skip_rearm=done.skip_rearm,
            client_machine_id=done.outcome.after.service.client_machine_id,
        )
        if done.restart_required and not result.get("failed"):
            verb = "would be" if task.check and done.outcome.changed else "was"
            result["msg"] = f"{wish.scope} {verb} rearmed; it takes effect when the machine restarts"
        return result
