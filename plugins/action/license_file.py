# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""winops.kms.license_file: install licence files (.xrm-ms) of the controller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._action.base import LicensingAction, Task
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.license_files import install_licenses
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.license_texts import (
    LicenseText,
    looks_like_windows,
    missing,
    read_license_files,
)


class ActionModule(LicensingAction):
    argument_spec = specs.LICENSE_FILE

    def prepare(self, task: Task) -> tuple[LicenseText, ...]:
        options = task.options
        return read_license_files(
            self._found("path", options["path"]), self._found("directory", options["directory"]), options["content"]
        )

    def perform(self, session: CimSession, task: Task, wish: tuple[LicenseText, ...]) -> dict[str, Any]:
        done = install_licenses(self.applier(session, task), wish, force=task.options["force"], check=task.check)
        result = self.outcome_result(done.outcome)
        result["files"] = done.files
        if not result.get("failed"):
            count = len(done.outcome.changes)
            verb = "would be installed" if task.check else "installed"
            result["msg"] = f"{count} of {len(done.files)} licence files {verb}"
        return result

    def _found(self, option: str, given: list[str] | None) -> list[str]:
        find: Callable[[str, str], str] = self._find_needle
        found = []
        for path in given or ():
            if looks_like_windows(path):
                raise missing(option, path)
            try:
                found.append(find("files", path))
            except AnsibleError:
                raise missing(option, path) from None
        return found
