# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""winops.kms.host_requests_info: who asked a KMS host, or what a KMS client asked, by the event logs."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._action.base import LicensingAction, Task
from ansible_collections.winops.kms.plugins.plugin_utils._action.wsman import Work
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import InvalidOption
from ansible_collections.winops.kms.plugins.plugin_utils._request_log.reading import (
    MAX_HOURS,
    MAX_LIMIT,
    Wish,
    check_number,
    parse_time,
)
from ansible_collections.winops.kms.plugins.plugin_utils._request_log.report import read_requests


class ActionModule(LicensingAction):
    argument_spec = specs.HOST_REQUESTS_INFO

    def begin(self, options: dict[str, Any], *, check: bool) -> Work:
        # Requests of all products are in the log together.
        return super().begin({"application": "all", **options}, check=check)

    def prepare(self, task: Task) -> Wish:
        options = task.options
        since, until = (parse_time(name, options.get(name)) for name in ("since", "until"))
        if since and until and since >= until:
            raise InvalidOption("until", f"{until.isoformat()} is not after since, {since.isoformat()}")
        return Wish(
            side=options["side"],
            hours=check_number("hours", options["hours"], MAX_HOURS),
            since=since,
            until=until,
            limit=check_number("limit", options["limit"], MAX_LIMIT),
        )

    def perform(self, session: CimSession, task: Task, wish: Wish) -> dict[str, Any]:
        return {"changed": False, **read_requests(session, wish)}
