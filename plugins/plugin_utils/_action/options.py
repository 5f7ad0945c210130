# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a task: checked by the module's argument spec, and of plain types."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.module_utils.parsing.convert_bool import BOOLEANS_FALSE

from .specs import ArgumentSpec


def validated_options(task: Any, spec: ArgumentSpec) -> dict[str, Any]:
    """The options of this task, with their defaults.  Raises AnsibleActionFail, with all that is wrong."""
    validator = ArgumentSpecValidator(
        spec.options, mutually_exclusive=spec.mutually_exclusive, required_one_of=spec.required_one_of
    )
    # mutually_exclusive counts whatever is there: `discover: false` beside `server` is no contradiction.
    given = {name: value for name, value in task.args.items() if not _is_idle(spec.options.get(name, {}), value)}
    validated = validator.validate(given)
    if validated.error_messages:
        # The validator leaves it to its caller to say what is wrong with the options that it lists.
        texts = (
            f"unsupported: {error.msg}" if isinstance(error, UnsupportedError) else error.msg
            for error in validated.errors.errors
        )
        raise AnsibleActionFail(f"module {task.action}: {'; '.join(texts)}")
    return {name: plain(value) for name, value in validated.validated_parameters.items()}


def _is_idle(option: dict[str, Any], value: Any) -> bool:
    """Whether giving the option is the same as leaving it out: AWX sends unset answers, and templates send false."""
    if value is None or (value == "" and option.get("no_log")):
        return True
    folded = value.lower() if isinstance(value, str) else value
    return option.get("default") is False and isinstance(folded, (str, int)) and folded in BOOLEANS_FALSE


def plain(value: Any) -> Any:
    """Without ansible-core's data tags, which the layers below need not know."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    for kind in (bool, int, str):
        if isinstance(value, kind):
            return kind(value)
    return value
