# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""winops.kms.token_license_info: the issuance licences for token-based activation, as slmgr.vbs /lil prints them."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._action.base import LicensingAction, Task
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.token_licenses import read_token_licenses


class ActionModule(LicensingAction):
    argument_spec = specs.TOKEN_LICENSE_INFO

    def perform(self, session: CimSession, task: Task, wish: None) -> dict[str, Any]:
        found = [one.as_result() for one in read_token_licenses(session)]
        return {
            "changed": False,
            "token_licenses": found,
            "msg": f"{len(found)} issuance licences for token-based activation",
        }
