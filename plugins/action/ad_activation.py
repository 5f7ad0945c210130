# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""winops.kms.ad_activation: activate an Active Directory forest."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.kms.plugins.module_utils._directory import library
from ansible_collections.winops.kms.plugins.module_utils._directory.errors import DirectoryError
from ansible_collections.winops.kms.plugins.module_utils._directory.objects import Directory
from ansible_collections.winops.kms.plugins.module_utils._directory.options import access_of, is_given
from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._action.base import LicensingAction, Task
from ansible_collections.winops.kms.plugins.plugin_utils._action.exclusive import alone_under
from ansible_collections.winops.kms.plugins.plugin_utils._action.wsman import Work
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.ad_activation import (
    ForestActivation,
    ForestOutcome,
    ForestWish,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import InvalidOption, LicensingError

_WAITS = "give its confirmation ID in confirmation_id"


class ActionModule(LicensingAction):
    argument_spec = specs.AD_ACTIVATION
    shows_outcome = "ad_activation_info"

    def begin(self, options: dict[str, Any], *, check: bool) -> Work:
        # The task is about a forest, not about a product of the host.
        return super().begin({**options, "application": "windows"}, check=check)

    def prepare(self, task: Task) -> tuple[ForestWish, Directory | None]:
        options = task.options
        wish = ForestWish.of(
            key=task.product_key(), **task.given(("name", "confirmation_id")), offline=options["offline"]
        )
        return wish, self._directory(options, looks=options["verify"])

    def perform(self, session: CimSession, task: Task, wish: tuple[ForestWish, Directory | None]) -> dict[str, Any]:
        forest, directory = wish
        activation = ForestActivation(
            session, directory, forest, alone=lambda: alone_under(f"forest {forest.key.partial}")
        )
        outcome = activation.run(check=task.check)
        result = _result(outcome, forest, check=task.check)
        if directory is None and not forest.waits:
            text = "verify is false, so that nobody has looked: every run of this task spends one more activation"
            result["warnings"] = [*result.get("warnings", []), text]
        return result

    def _directory(self, options: dict[str, Any], *, looks: bool) -> Directory | None:
        if not looks:
            return None
        if not is_given(options):
            raise InvalidOption(
                "ldap_server",
                "it is needed, or ldap_domain, to see whether the forest is activated already",
                remedy="Name a domain controller that the controller reaches. verify: false sends without looking, and "
                "may spend one more activation of the key",
            )
        try:
            access = access_of(options)
        except DirectoryError as error:
            raise LicensingError(error.message, remedy=error.remedy, name=error.name) from None
        if library.problem() is not None:
            raise LicensingError(
                f"The Python package {library.REQUIREMENT} is not there on the controller",
                remedy="Install it into the Python that runs ansible-playbook: pip install ldap3. verify: false does "
                "without, and may spend one more activation of the key",
                name="MISSING_LIBRARY",
            )
        return Directory(access)


def _result(outcome: ForestOutcome, wish: ForestWish, *, check: bool) -> dict[str, Any]:
    """The result; `key` is masked in it, and `activation_object` is what the directory shows."""
    found = outcome.found.as_result() if outcome.found else None
    after = None
    if outcome.changed:
        after = found["name"] if found else wish.name or f"*****-{wish.key.partial}"
    changes = [{"setting": "activation_object", "before": None, "after": after}] if outcome.changed else []
    pending = wish.waits and outcome.found is None
    result: dict[str, Any] = {
        "changed": outcome.changed,
        "changes": changes,
        "activation_object": found,
        "installation_id": outcome.installation_id,
        "pending": pending,
        "diff": {
            "before": {change["setting"]: change["before"] for change in changes},
            "after": {change["setting"]: change["after"] for change in changes},
        },
        "msg": _summary(outcome, wish, after, check=check),
    }
    if outcome.warnings:
        result["warnings"] = outcome.warnings
    if outcome.error is not None:
        result.update(failed=True, msg=str(outcome.error), error=outcome.error.info.as_result())
    return result


def _summary(outcome: ForestOutcome, wish: ForestWish, after: str | None, *, check: bool) -> str:
    if outcome.changed:
        return f"the forest {'would be' if check else 'is now'} activated: {after}"
    if outcome.found is not None:
        return f"the forest is activated already: {outcome.found.name} ({outcome.found.dn})"
    if outcome.installation_id is not None:
        return f"call Microsoft with the installation ID, or enter it in VAMT, and {_WAITS}"
    return f"an installation ID would be asked for; {_WAITS}"
