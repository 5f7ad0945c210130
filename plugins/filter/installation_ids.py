# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""winops.kms.installation_ids: the file in which installation IDs go out and confirmation IDs come back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import LicensingError
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.offline import merged_file


def installation_ids(results: Mapping[str, Mapping[str, Any]], old: str = "") -> str:
    """CSV text: what waits for a confirmation ID on each host, with the confirmation IDs that `old` has already."""
    try:
        return merged_file({str(host): result for host, result in results.items()}, str(old))
    except (LicensingError, KeyError, AttributeError) as error:
        raise AnsibleFilterError(f"winops.kms.installation_ids: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., str]]:
        return {"installation_ids": installation_ids}
