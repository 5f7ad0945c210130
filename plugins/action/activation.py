# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""winops.kms.activation: activate a product that is not licensed yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._action.base import LicensingAction, Task
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.offline import Confirmations
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.product import activate_product
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.state import Product, ProductDetails


class ActionModule(LicensingAction):
    argument_spec = specs.ACTIVATION

    def prepare(self, task: Task) -> Confirmations | None:
        text, path = task.options.get("confirmation_id"), self.find_file(task.options.get("confirmation_file"))
        if text:
            return Confirmations.of_text(text)
        return Confirmations.of_file(Path(path)) if path else None

    def perform(self, session: CimSession, task: Task, wish: Confirmations | None) -> dict[str, Any]:
        product_type = Product if wish is None else ProductDetails
        applier = self.applier(session, task, product_type=product_type)
        outcome = activate_product(applier, confirmations=wish, check=task.check)
        result = self.outcome_result(outcome, pending_fails=task.options["fail_when_pending"])
        if wish is not None:
            # By a confirmation ID one product is activated, online all those of Office.
            product = outcome.after.product
            if isinstance(product, ProductDetails):
                result["installation_id"] = product.offline_installation_id
        return result
