# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Argument specs and documentation say the same."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.winops.kms.plugins import doc_fragments
from ansible_collections.winops.kms.plugins.plugin_utils._action.specs import ArgumentSpec
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.settings import (
    ACTIVATION_TYPE,
    CLIENT_SETTINGS,
    HOST_SETTINGS,
)

PLUGINS = Path(doc_fragments.__path__[0]).parent
MODULES = PLUGINS / "modules"


def _spec(module: str) -> ArgumentSpec:
    plugin = importlib.import_module(f"ansible_collections.winops.kms.plugins.action.{module}")
    spec = plugin.ActionModule.argument_spec
    assert isinstance(spec, ArgumentSpec)
    return spec


#: Every module whose work is done by an action plugin.
SPECS = {path.stem: _spec(path.stem) for path in sorted((PLUGINS / "action").glob("[!_]*.py"))}


TABLES = {"client": (*CLIENT_SETTINGS, ACTIVATION_TYPE), "host": HOST_SETTINGS}


@cache
def document(module: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((MODULES / f"{module}.yml").read_text(encoding="utf-8"))
    return found


@cache
def documented_options(module: str) -> dict[str, dict[str, Any]]:
    """The options of the documentation, with those of its fragments beneath, as ansible-doc merges them."""
    documentation = document(module)["DOCUMENTATION"]
    merged: dict[str, dict[str, Any]] = {}
    for fragment in documentation["extends_documentation_fragment"]:
        name, _dot, section = fragment.removeprefix("winops.kms.").partition(".")
        module_of_fragment = importlib.import_module(f"{doc_fragments.__name__}.{name}")
        text = getattr(module_of_fragment.ModuleDocFragment, (section or "documentation").upper())
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


def test_every_action_has_a_module_and_a_documentation_of_its_own() -> None:
    assert {"activation", "client", "host", "license_info", "product_key"} <= set(SPECS)
    assert set(SPECS) == {path.stem for path in MODULES.glob("*.yml")}
    for module in SPECS:
        assert (MODULES / f"{module}.py").is_file()
        assert document(module)["DOCUMENTATION"]["module"] == module


@pytest.mark.parametrize("module", SPECS)
def test_documentation_and_spec_have_the_same_options(module: str) -> None:
    documented = {name: shape(option, "suboptions") for name, option in documented_options(module).items()}
    specified = {name: shape(option, "options") for name, option in SPECS[module].options.items()}
    assert documented == specified


def texts(option: dict[str, Any]) -> str:
    described = option["description"]
    return described if isinstance(described, str) else " ".join(described)


@pytest.mark.parametrize("module", SPECS)
def test_options_that_exclude_each_other_say_so(module: str) -> None:
    documented = documented_options(module)
    for names in SPECS[module].mutually_exclusive:
        for name in names:
            others = set(names) - {name}
            told = re.findall(r"Mutually exclusive with ([^.]*)\.", texts(documented[name]))
            assert all(any(f"O({other})" in sentence for sentence in told) for other in others), (name, others)


def secret_names(options: dict[str, dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    for name, option in options.items():
        # What ansible-test takes for a secret by its name has to say what it is.
        if re.search(r"key|secret|pass|token", name):
            yield name, option.get("no_log")


@pytest.mark.parametrize("module", SPECS)
def test_a_product_key_is_never_logged_and_what_only_sounds_like_one_is(module: str) -> None:
    for name, no_log in secret_names(SPECS[module].options):
        assert no_log is not None, f"{name}: ansible-core guesses by the name"
        assert no_log is True or name != "key"


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


@pytest.mark.parametrize("module", TABLES)
def test_the_settings_of_the_spec_are_those_of_the_table(module: str) -> None:
    for setting in TABLES[module]:
        assert setting.option in SPECS[module].options
        described = texts(documented_options(module)[setting.option])
        if setting.option != "port" or module != "client":
            assert any(switch in described for switch in setting.slmgr), f"{setting.option} names its slmgr switch"
        for limit in setting.limits or ():
            assert f"V({limit})" in described
