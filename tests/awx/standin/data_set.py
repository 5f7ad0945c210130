# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data set in playbooks/vars/controller, read without Ansible."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined, meta
from jinja2.nativetypes import NativeEnvironment

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "playbooks" / "vars" / "controller"
_OMITTED = object()
_ENVIRONMENT = NativeEnvironment(undefined=StrictUndefined)
_ENVIRONMENT.globals["omit"] = _OMITTED


class Unsafe(str):
    """A text that YAML marks as `!unsafe`: never a template of ours."""

    __slots__ = ()


class _Loader(yaml.SafeLoader):
    pass


def _unsafe(loader: yaml.Loader, node: yaml.Node) -> Unsafe:
    assert isinstance(node, yaml.ScalarNode)
    return Unsafe(loader.construct_scalar(node))


_Loader.add_constructor("!unsafe", _unsafe)


def read(folder: Path = FOLDER) -> dict[str, Any]:
    """All variables of the data set, with their templates."""
    variables: dict[str, Any] = {}
    for path in sorted(folder.glob("*.yml")):
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # a SafeLoader
        if twice := variables.keys() & content.keys():
            raise ValueError(f"{path.name} sets again: {', '.join(sorted(twice))}")
        variables |= content
    return variables


def load(settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All variables of the data set, as Ansible sees them; `settings` are what a user gives as extra variables."""
    variables = read() | dict(settings or {})
    return {name: _render(value, variables) for name, value in variables.items()}


def job_templates(settings: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """Job templates by their names without the prefix, such as `install host (check)`."""
    variables = load(settings)
    prefix = variables["kms_awx_prefix"]
    return {template["name"].removeprefix(prefix): template for template in variables["controller_templates"]}


def credential_types(settings: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """Credential types by their names without the prefix, such as `KMS host key`."""
    variables = load(settings)
    prefix = variables["kms_awx_prefix"]
    return {kind["name"].removeprefix(prefix): kind for kind in variables["controller_credential_types"]}


def _render(value: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        rendered = {_render(key, variables): _render(item, variables) for key, item in value.items()}
        return {key: item for key, item in rendered.items() if item is not _OMITTED}
    if isinstance(value, list):
        return [_render(item, variables) for item in value]
    if isinstance(value, str) and not isinstance(value, Unsafe) and "{{" in value:
        names = meta.find_undeclared_variables(_ENVIRONMENT.parse(value)) & variables.keys()
        return _ENVIRONMENT.from_string(value).render({name: _render(variables[name], variables) for name in names})
    return value
