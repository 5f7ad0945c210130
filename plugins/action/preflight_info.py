# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""winops.kms.preflight_info: what stands in the way of KMS on a machine."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._action.base import LicensingAction, Task
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.preflight.check import (
    check_port,
    look,
    parse_kms_hosts,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.preflight.findings import Wish


class ActionModule(LicensingAction):
    argument_spec = specs.PREFLIGHT_INFO

    def prepare(self, task: Task) -> Wish:
        check_port(task.options.get("port"))
        return Wish(
            kms_hosts=parse_kms_hosts(task.options.get("kms_hosts")),
            server=task.options.get("server") or None,
            of_product=task.scope.activation_id is not None,
            **task.given(("port", "discover", "activation_type", "firewall", "application")),
        )

    def perform(self, session: CimSession, task: Task, wish: Wish) -> dict[str, Any]:
        options = task.options
        return look(
            session,
            task.scope,
            wish,
            role=options["role"],
            name=options.get("name") or None,
            skip_licensed=options["skip_licensed"],
        )
