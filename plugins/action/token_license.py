# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""winops.kms.token_license: remove an issuance licence for token-based activation."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._action.base import LicensingAction, Task
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.token_licenses import (
    TokenState,
    TokenWish,
    remove_token_license,
)


class ActionModule(LicensingAction):
    argument_spec = specs.TOKEN_LICENSE
    shows_outcome = "token_license_info"

    def prepare(self, task: Task) -> TokenWish:
        return TokenWish.of(task.options["ilid"], task.options["ilvid"])

    def perform(self, session: CimSession, task: Task, wish: TokenWish) -> dict[str, Any]:
        outcome = remove_token_license(self.applier(session, task), wish, check=task.check)
        result = self.outcome_result(outcome)
        after = outcome.after
        result["token_licenses"] = [one.as_result() for one in after.tokens] if isinstance(after, TokenState) else []
        if not result.get("failed"):
            name = f"issuance licence {wish.ilid} {wish.ilvid}"
            verb = "would be removed" if task.check else "removed"
            result["msg"] = f"{name} {verb}" if outcome.changed else f"{name} is not there"
        return result
