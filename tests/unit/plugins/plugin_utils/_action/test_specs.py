# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Argument specs and documentation say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.winops.kms.plugins.doc_fragments import _windows
from ansible_collections.winops.kms.plugins.plugin_utils._action import specs
from ansible_collections.winops.kms.plugins.plugin_utils._action.specs import ArgumentSpec

MODULES = Path(_windows.__file__).parent.parent / "modules"
SPECS = {
    "activation": specs.ACTIVATION,
    "client": specs.CLIENT,
    "host": specs.HOST,
    "license_info": specs.LICENSE_INFO,
    "product_key": specs.PRODUCT_KEY,
}


def document(module: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((MODULES / f"{module}.yml").read_text(encoding="utf-8"))
    return found


def documented_options(module: str) -> dict[str, dict[str, Any]]:
    """The options of the documentation, with those of its fragments beneath, as ansible-doc merges them."""
    documentation = document(module)["DOCUMENTATION"]
    merged: dict[str, dict[str, Any]] = {}
    for fragment in documentation["extends_documentation_fragment"]:
        name, section = re.fullmatch(r"winops\.kms\.(\w+)(?:\.(\w+))?", fragment).groups("documentation")  # type: ignore[union-attr]
        if name == "_windows":
            text = getattr(_windows.ModuleDocFragment, section.upper())
            for option, described in yaml.safe_load(text).get("options", {}).items():
                merged.setdefault(option, {}).update(described)
    for option, described in documentation["options"].items():
        merged.setdefault(option, {}).update(described)
    return merged


def shape(option: dict[str, Any], suboptions: str) -> dict[str, Any]:
    """What a specification and a documentation of one option must share."""
    return {
        "type": option.get("type", "str"),
        "default": option.get("default"),
        "choices": option.get("choices"),
        "required": option.get("required", False),
        "elements": option.get("elements"),
        "suboptions": {name: shape(inner, suboptions) for name, inner in (option.get(suboptions) or {}).items()},
    }


def test_every_module_on_windows_has_a_spec_and_every_spec_a_module() -> None:
    assert {path.stem for path in MODULES.glob("*.yml")} == set(SPECS)
    plugins = {path.stem for path in (MODULES.parent / "action").glob("*.py")} - {"__init__"}
    assert plugins == set(SPECS)
    constants = {name for name, value in vars(specs).items() if isinstance(value, ArgumentSpec)}
    assert len(constants) == len(SPECS)


@pytest.mark.parametrize("module", SPECS)
def test_documentation_and_spec_have_the_same_options(module: str) -> None:
    documented = {name: shape(option, "suboptions") for name, option in documented_options(module).items()}
    specified = {name: shape(option, "options") for name, option in SPECS[module].options.items()}
    assert documented == specified


def texts(option: dict[str, Any]) -> str:
    described = option["description"]
    return described if isinstance(described, str) else " ".join(described)


@pytest.mark.parametrize("module", SPECS)
def test_options_that_exclude_each_other_exist(module: str) -> None:
    for names in SPECS[module].mutually_exclusive:
        assert set(names) <= set(documented_options(module))


def secret_names(options: dict[str, dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    for name, option in options.items():
        # What ansible-test takes for a secret by its name has to say what it is.
        if re.search(r"key|secret|pass|token", name):
            yield name, option.get("no_log")


@pytest.mark.parametrize("module", SPECS)
def test_a_product_key_is_never_logged_and_what_only_sounds_like_one_is(module: str) -> None:
    for name, no_log in secret_names(SPECS[module].options):
        assert no_log is (name == "key"), name


@pytest.mark.parametrize("module", SPECS)
def test_the_examples_use_options_that_exist(module: str) -> None:
    options = SPECS[module].options
    tasks = [task for tasks in yaml.safe_load_all(document(module)["EXAMPLES"]) for task in tasks]
    assert tasks
    used = [task[f"winops.kms.{module}"] or {} for task in tasks if f"winops.kms.{module}" in task]
    assert used
    for arguments in used:
        assert set(arguments) <= set(options)
        for name, value in arguments.items():
            choices = options[name].get("choices")
            templated = isinstance(value, str) and "{{" in value
            if choices and not templated:
                assert set(value if isinstance(value, list) else [value]) <= set(choices)


@pytest.mark.parametrize("module", SPECS)
def test_the_settings_of_the_spec_are_those_of_the_table(module: str) -> None:
    from ansible_collections.winops.kms.plugins.plugin_utils._licensing.settings import (
        ACTIVATION_TYPE,
        CLIENT_SETTINGS,
        HOST_SETTINGS,
    )

    tables = {"client": (*CLIENT_SETTINGS, ACTIVATION_TYPE), "host": HOST_SETTINGS}
    for setting in tables.get(module, ()):
        assert setting.option in SPECS[module].options
        described = texts(documented_options(module)[setting.option])
        if setting.option != "port" or module != "client":
            assert any(f"{switch}" in described for switch in setting.slmgr), f"{setting.option} names its slmgr switch"
        for limit in setting.limits or ():
            assert f"V({limit})" in described
