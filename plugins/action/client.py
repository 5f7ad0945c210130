# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""winops.kms.client: a KMS client in one task."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._action.base import LicensingAction, Task
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.client import ClientWish, configure_client

_OPTIONS = ("key_channel", "gvlk", "server", "port", "discover", "lookup_domain", "host_caching", "activation_type")


class ActionModule(LicensingAction):
    argument_spec = specs.CLIENT

    def prepare(self, task: Task) -> ClientWish:
        wish = ClientWish(
            key=task.product_key(),
            activate=task.options["activate"],
            leave_alone=tuple(task.options["leave_alone"]),
            allow_downgrade=task.options["allow_downgrade"],
            **task.given(_OPTIONS),
        )
        wish.check(on_product=task.scope.activation_id is not None or task.scope.application == "office")
        return wish

    def perform(self, session: CimSession, task: Task, wish: ClientWish) -> dict[str, Any]:
        outcome = configure_client(self.applier(session, task), wish, check=task.check)
        result = self.outcome_result(outcome, pending_fails=task.options["fail_when_pending"])
        return {**result, "left_alone": outcome.left_alone}
