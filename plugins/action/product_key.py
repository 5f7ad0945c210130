# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""winops.kms.product_key: install or remove a product key."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._action.base import LicensingAction, Task
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.product import (
    ProductKeyWish,
    configure_product_key,
)


class ActionModule(LicensingAction):
    argument_spec = specs.PRODUCT_KEY

    def prepare(self, task: Task) -> ProductKeyWish:
        options = task.options
        wish = ProductKeyWish(
            key=task.product_key(),
            gvlk=options["gvlk"],
            key_channel=options.get("key_channel"),
            present=options["state"] == "present",
            clear_from_registry=options["clear_from_registry"],
            allow_downgrade=options["allow_downgrade"],
        )
        wish.check()
        return wish

    def perform(self, session: CimSession, task: Task, wish: ProductKeyWish) -> dict[str, Any]:
        return self.outcome_result(configure_product_key(self.applier(session, task), wish, check=task.check))
