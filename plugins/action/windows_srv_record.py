# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""winops.kms.windows_srv_record: KMS hosts' SRV records on a Windows DNS server."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.kms.plugins.module_utils._dns import library
from ansible_collections.winops.kms.plugins.module_utils._dns.errors import DnsError
from ansible_collections.winops.kms.plugins.module_utils._dns.options import goal_of
from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._action.wsman import Work, WsmanAction
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._windows_dns.ensure import ensure
from ansible_collections.winops.kms.plugins.plugin_utils._windows_dns.report import result_of


class ActionModule(WsmanAction):
    argument_spec = specs.WINDOWS_SRV_RECORD
    errors = (*WsmanAction.errors, DnsError)
    shows_outcome = "check mode"

    def begin(self, options: dict[str, Any], *, check: bool) -> Work:
        if library.problem() is not None:
            raise DnsError(
                "MISSING_LIBRARY",
                f"The Python package {library.REQUIREMENT} is not there on the controller.",
                "Install it into the Python that runs ansible-playbook: pip install dnspython.",
            )
        goal = goal_of(options)

        def work(session: CimSession) -> dict[str, Any]:
            return result_of(ensure(session, goal, check=check), goal, check=check)

        return work

    def failure(self, error: Exception) -> dict[str, Any]:
        known = error.as_result() if isinstance(error, DnsError) else None
        other = {"code": None, "name": None, "message": str(error), "remedy": ""}
        return {"failed": True, "changed": False, "msg": str(error), "error": known or other}
