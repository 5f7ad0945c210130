# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""winops.kms.host: a KMS host in one task."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._action.base import LicensingAction, Task
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.host import HostWish, configure_host
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.office_host import (
    configure_office_host,
    the_host_licence,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.publishing import PublishDomain
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.report import kms_host_result, license_result

_OPTIONS = (
    "activate",
    "port",
    "activation_interval",
    "renewal_interval",
    "dns_publishing",
    "low_priority",
    "firewall",
    "allow_downgrade",
)


class ActionModule(LicensingAction):
    argument_spec = specs.HOST

    def prepare(self, task: Task) -> HostWish:
        domains = task.options.get("publish_domains")
        wish = HostWish(
            key=task.product_key(),
            publish_domains=None if domains is None else tuple(PublishDomain.of(**item) for item in domains),
            present=task.options["state"] == "present",
            **task.given(_OPTIONS),
        )
        wish.check()
        return wish

    def perform(self, session: CimSession, task: Task, wish: HostWish) -> dict[str, Any]:
        office = task.scope.application == "office"
        whole_host_goes = not wish.present and not office
        applier = self.applier(
            session,
            task,
            with_firewall=wish.firewall is not None or whole_host_goes,
            with_publish_domains=wish.publish_domains is not None or whole_host_goes,
        )
        configure = configure_office_host if office else configure_host
        outcome = configure(applier, wish, check=task.check)
        result = self.outcome_result(outcome)
        product = the_host_licence(outcome.after, wish.key) if office else outcome.after.product
        result["kms_host"] = kms_host_result(outcome.after.service, product)
        if office:
            result["license"] = license_result(product, outcome.after.service) if product else None
        return result
