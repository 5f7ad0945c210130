# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter option_problems: what is wrong with the options of a role, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.winops.kms.plugins.plugin_utils._action.role_options import KINDS, problems


def option_problems(values: Any, kinds: Any) -> list[str]:
    """See option_problems.yml."""
    if not isinstance(values, Mapping) or not isinstance(kinds, Mapping):
        raise AnsibleFilterError("winops.kms.option_problems: needs two dictionaries, of values and of kinds")
    if unknown := {kind for kind in kinds.values() if isinstance(kind, str)} - set(KINDS):
        raise AnsibleFilterError(f"winops.kms.option_problems: no such kind: {', '.join(sorted(unknown))}")
    return problems(kinds, values)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"option_problems": option_problems}
