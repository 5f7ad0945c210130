# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX does with credential types: which ones it takes, and what it gives a job.

The rules are those of AWX 24.6: `CredentialTypeInputField` and `CredentialTypeInjectorField` in awx/main/fields, and
`CredentialType.inject_credential` in awx/main/models.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

_FIELD_NAME = re.compile(r"[a-zA-Z_]+[a-zA-Z0-9_]*\Z")
_EXTRA_VARIABLE = re.compile(r"[a-zA-Z_{}]+[a-zA-Z0-9_{}]*\Z")
_FILE = re.compile(r"template(\.[a-zA-Z_]+[a-zA-Z0-9_]*)?\Z")
#: Key of a field -> its type.
_FIELD_KEYS: dict[str, type] = {
    "id": str,
    "label": str,
    "type": str,
    "format": str,
    "choices": list,
    "help_text": str,
    "multiline": bool,
    "secret": bool,
    "ask_at_runtime": bool,
    "default": object,
}
_FIELD_TYPES: dict[str, type] = {"string": str, "boolean": bool}
_FORMATS = ("ssh_private_key", "url")
_TEXT_ONLY = ("choices", "multiline", "format", "secret")
#: Kinds that a user may make a type of.
KINDS = ("net", "cloud")


class CredentialTypeError(Exception):
    """A credential type or a credential that AWX refuses."""


@dataclass(frozen=True)
class Injected:
    """What a job gets: extra variables, variables of the environment, and the files that were written."""

    extra_vars: dict[str, Any]
    env: dict[str, str]
    files: dict[str, Path] = field(default_factory=dict)


def check_inputs(inputs: Any) -> dict[str, Any]:
    """The inputs as AWX stores them; CredentialTypeError when it refuses them."""
    if not isinstance(inputs, dict):
        raise CredentialTypeError("inputs is no object")
    _refuse_others("inputs", inputs, ("fields", "required"))
    required = inputs.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise CredentialTypeError("inputs.required is no list of names")
    fields = inputs.get("fields", [])
    if not isinstance(fields, list):
        raise CredentialTypeError("inputs.fields is no list")
    stored = [_check_field(one) for one in fields]
    names = [one["id"] for one in stored]
    if len(set(names)) != len(names):
        raise CredentialTypeError("field IDs must be unique")
    return {**inputs, "fields": stored} if "fields" in inputs else dict(inputs)


def _check_field(one: Any) -> dict[str, Any]:
    if not isinstance(one, dict):
        raise CredentialTypeError("a field is no object")
    _refuse_others("a field", one, _FIELD_KEYS)
    for key in ("id", "label"):
        if key not in one:
            raise CredentialTypeError(f"a field has no {key}")
    name = one["id"]
    for key, value in one.items():
        if not isinstance(value, _FIELD_KEYS[key]):
            raise CredentialTypeError(f"{key} of the field {name} is no {_FIELD_KEYS[key].__name__}")
    if not _FIELD_NAME.match(name):
        raise CredentialTypeError(f"{name} is an invalid variable name")
    if name == "tower":
        raise CredentialTypeError('"tower" is a reserved field name')
    stored = {**one, "type": one.get("type", "string")}
    if stored["type"] not in _FIELD_TYPES:
        raise CredentialTypeError(f"{stored['type']} is not one of {', '.join(_FIELD_TYPES)}")
    if one.get("format", "url") not in _FORMATS:
        raise CredentialTypeError(f"{one['format']} is not one of {', '.join(_FORMATS)}")
    if "choices" in one and (not one["choices"] or len(set(map(str, one["choices"]))) != len(one["choices"])):
        raise CredentialTypeError(f"the choices of the field {name} are none, or not unique")
    if "default" in one and not isinstance(one["default"], _FIELD_TYPES[stored["type"]]):
        raise CredentialTypeError(f"{one['default']} is not a {stored['type']}")
    if stored["type"] != "string" and (odd := [key for key in _TEXT_ONLY if key in one]):
        raise CredentialTypeError(f"{odd[0]} not allowed for {stored['type']} type ({name})")
    return stored


def check_injectors(injectors: Any, inputs: Mapping[str, Any]) -> None:
    """CredentialTypeError when AWX refuses the injectors of a type with these inputs."""
    if not isinstance(injectors, dict):
        raise CredentialTypeError("injectors is no object")
    _refuse_others("injectors", injectors, ("file", "env", "extra_vars"))
    files, env = injectors.get("file", {}), injectors.get("env", {})
    namespace: dict[str, Any] = {one["id"]: "EXAMPLE" for one in inputs.get("fields", [])}
    namespace["tower"] = _example_files(files)
    for name in env:
        if not _FIELD_NAME.match(name) or name.startswith("ANSIBLE_"):
            raise CredentialTypeError(f"the environment variable {name} is not allowed")
    for kind, texts in (("file", files), ("env", env)):
        for name, template in texts.items():
            if not isinstance(template, str):
                raise CredentialTypeError(f"{kind} {name} is no text")
            _try(name, template, namespace)
    _check_extra_vars(injectors.get("extra_vars", {}), namespace)


def _example_files(files: Mapping[str, Any]) -> SimpleNamespace:
    if odd := [name for name in files if not _FILE.match(name)]:
        raise CredentialTypeError(f"{odd[0]} is no name of a file template")
    if "template" in files:
        if len(files) > 1:
            raise CredentialTypeError("Must use multi-file syntax when injecting multiple files")
        return SimpleNamespace(filename="EXAMPLE_FILENAME")
    return SimpleNamespace(filename=SimpleNamespace(**{name.split(".")[1]: "EXAMPLE_FILENAME" for name in files}))


def _check_extra_vars(node: Any, namespace: Mapping[str, Any], name: str = "extra_vars") -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            if not isinstance(key, str) or not _EXTRA_VARIABLE.match(key):
                raise CredentialTypeError(f"{key} is no name of a variable")
            _try(name, key, namespace)
            _check_extra_vars(value, namespace, key)
    elif isinstance(node, list):
        for item in node:
            _check_extra_vars(item, namespace, name)
    elif isinstance(node, str):
        _try(name, node, namespace)
    else:
        raise CredentialTypeError(f"{name} is no text: {node!r}")


def _try(name: str, template: str, namespace: Mapping[str, Any]) -> None:
    try:
        ImmutableSandboxedEnvironment(undefined=StrictUndefined).from_string(template).render(namespace)
    except UndefinedError as error:
        raise CredentialTypeError(f"{name} uses an undefined field ({error})") from error
    except (SecurityError, TemplateSyntaxError) as error:
        raise CredentialTypeError(f"{name} is no template that may run ({error})") from error


def check_credential(inputs: Mapping[str, Any], kind: Mapping[str, Any], *, complete: bool = True) -> None:
    """CredentialTypeError for a credential that AWX refuses; `complete`: when a job is to use it."""
    fields = {one["id"]: one for one in kind["inputs"].get("fields", [])}
    _refuse_others("a credential", inputs, fields)
    for name, value in inputs.items():
        if not isinstance(value, _FIELD_TYPES[fields[name].get("type", "string")]):
            raise CredentialTypeError(f"{name} is no {fields[name].get('type', 'string')}")
        if "choices" in fields[name] and value not in fields[name]["choices"]:
            raise CredentialTypeError(f"{name} is none of {fields[name]['choices']}")
    missing = [name for name in kind["inputs"].get("required", []) if not inputs.get(name)]
    if complete and missing:
        raise CredentialTypeError(f"required fields are missing: {', '.join(missing)}")


def inject(kind: Mapping[str, Any], inputs: Mapping[str, Any], folder: Path) -> Injected:
    """What a job gets of a credential of a type.

    kind: an element of `controller_credential_types`. inputs: what was put into the credential; a field that is left
    empty is not in it, or is an empty text. folder: where files are written.
    """
    check_credential(inputs, kind)
    namespace: dict[str, Any] = {name: value for name, value in inputs.items() if value != ""}
    for one in kind["inputs"].get("fields", []):
        if one.get("type") == "boolean":
            namespace.setdefault(one["id"], False)
    # In a real form, the default of a field stands in it.
    for one in kind["inputs"].get("fields", []):
        if "default" in one:
            namespace.setdefault(one["id"], one["default"])
    environment = ImmutableSandboxedEnvironment()
    files: dict[str, Path] = {}
    filenames: dict[str, str] = {}
    tower = SimpleNamespace()
    namespace["tower"] = tower
    injectors = kind.get("injectors", {})
    for label, template in injectors.get("file", {}).items():
        handle, name = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(environment.from_string(template).render(namespace))
        files[label] = Path(name)
        filenames[label.partition(".")[2]] = name
        tower.filename = name if label == "template" else SimpleNamespace(**filenames)

    def render(node: Any) -> Any:
        if isinstance(node, dict):
            return {render(key): render(value) for key, value in node.items()}
        if isinstance(node, list):
            return [render(item) for item in node]
        return environment.from_string(node).render(namespace)

    return Injected(render(injectors.get("extra_vars", {})), render(injectors.get("env", {})), files)


def _refuse_others(where: str, given: Mapping[str, Any], known: Any) -> None:
    if odd := [name for name in given if name not in known]:
        raise CredentialTypeError(f"Additional properties are not allowed in {where} ({', '.join(map(str, odd))})")
