# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation of the roles' variables (meta/argument_specs.yml) and their defaults say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.winops.kms.plugins.plugin_utils._action.role_options import KINDS

ROOT = Path(__file__).parents[3]
ROLES = sorted(path.parent.parent.name for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"))
#: Default that is computed from other variables -> what its documentation says of it.
COMPUTED = {
    "publish_dns_port": "By default it is O(winops.kms.install_kms_host#role:main:install_kms_host_port)",
    "point_clients_discover": "By default V(true), unless O(point_clients_server) is set",
    "point_clients_office_discover": "By default V(true), unless O(point_clients_office_server) is set",
    "point_clients_allow_downgrade": "By default, V(true) when O(point_clients_leave_mak=false)",
}


@cache
def load(role: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "roles" / role / path).read_text(encoding="utf-8"))
    return found


def specs(role: str) -> dict[str, dict[str, Any]]:
    """Entry point -> its specification."""
    found: dict[str, dict[str, Any]] = load(role, "meta/argument_specs.yml")["argument_specs"]
    return found


def options(role: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Entry point, name and specification of every variable."""
    for entry, spec in specs(role).items():
        for name, option in spec["options"].items():
            yield entry, name, option


def text(option: dict[str, Any]) -> str:
    described = option["description"]
    return described if isinstance(described, str) else " ".join(described)


def computed(value: object) -> bool:
    return isinstance(value, str) and "{{" in value


def test_there_are_roles() -> None:
    assert set(ROLES) == {path.name for path in (ROOT / "roles").iterdir() if path.is_dir()}
    assert len(ROLES) >= 4


@pytest.mark.parametrize("role", ROLES)
def test_every_default_is_documented_and_equal(role: str) -> None:
    documented = {name: option.get("default") for _entry, name, option in options(role)}
    for name, value in load(role, "defaults/main.yml").items():
        assert name in documented, f"{name} is not documented"
        if computed(value):
            assert documented[name] is None and name in COMPUTED
        else:
            assert documented[name] == value and type(documented[name]) is type(value), name


@pytest.mark.parametrize("role", ROLES)
def test_every_documented_default_is_one(role: str) -> None:
    defaults = load(role, "defaults/main.yml")
    for entry, name, option in options(role):
        if "default" in option:
            assert name in defaults, f"{entry}: {name} is said to have a default and has none"
        assert not (option.get("required") and name in defaults), f"{name} is required and has a default"


@pytest.mark.parametrize("role", ROLES)
def test_entry_points_describe_a_variable_alike(role: str) -> None:
    seen: dict[str, dict[str, Any]] = {}
    for _entry, name, option in options(role):
        assert seen.setdefault(name, option) == option, name
        assert name.startswith(f"{role}_")


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_values_that_the_role_takes(role: str) -> None:
    defaults = {name: value for name, value in load(role, "defaults/main.yml").items() if not computed(value)}
    for entry, spec in specs(role).items():
        names = {name: option for name, option in spec["options"].items() if not option.get("required")}
        given = {name: value for name, value in defaults.items() if name in names}
        result = ArgumentSpecValidator(names).validate(given)
        assert not result.error_messages, (entry, result.error_messages)


def kinds(role: str) -> dict[str, Any]:
    """Option -> its kind, by which the role checks it before anything is sent."""
    found: dict[str, Any] = load(role, "vars/main.yml")[f"_{role}_kinds"]
    return found


@pytest.mark.parametrize("role", ROLES)
def test_every_option_has_a_kind(role: str) -> None:
    """The types of ansible-core know no empty number or boolean, so the specification leaves these to the kinds."""
    every = {name: option for _entry, name, option in options(role)}
    assert set(kinds(role)) == set(every)
    for name, kind in kinds(role).items():
        option = every[name]
        if isinstance(kind, list):
            assert option["choices"] == [*kind, ""], name
        else:
            assert kind in KINDS
            assert "choices" not in option
        assert option["type"] in ("str", "raw", "list"), name
        assert option.get("elements", "raw") in ("raw", "str"), name
        if option["type"] == "raw":
            assert ("V(true) or V(false)." if kind == "flag" else "whole number") in text(option), name


@pytest.mark.parametrize("role", ROLES)
def test_an_empty_option_has_its_default(role: str) -> None:
    """What tasks read in place of an option falls back to the same default."""
    variables = load(role, "vars/main.yml")
    for name, default in load(role, "defaults/main.yml").items():
        expression = variables[f"_{name}"]
        if computed(default):
            assert f"if {name} not in ['', none] else {default.strip('{ }')}" in expression
        elif isinstance(default, list):
            assert default == []
            assert expression.endswith(f"else {name} | default([], true) }}}}")
        else:
            assert name in expression
            match = re.fullmatch(rf"\{{\{{ {name} if {name} not in \['', none\] else (.+) \}}\}}", expression)
            assert match, expression
            assert yaml.safe_load(match[1]) == default, name


@pytest.mark.parametrize("role", ROLES)
def test_tasks_read_options_by_what_falls_back(role: str) -> None:
    """No task uses an option with a default by its own name, which may be empty."""
    for path in (ROOT / "roles" / role / "tasks").glob("*.yml"):
        source = re.sub(r"(?m)^\s*#.*$", "", path.read_text(encoding="utf-8"))
        used = {name for name in load(role, "defaults/main.yml") if re.search(rf"(?<![\w.]){name}(?!\w)", source)}
        assert not used, path.name


@pytest.mark.parametrize("role", ROLES)
def test_secrets_are_never_logged(role: str) -> None:
    for _entry, name, option in options(role):
        if re.search(r"_(keys?|secret|password)$", name):
            assert option.get("no_log") is True, name


def test_what_is_computed_says_so() -> None:
    every = {name: option for role in ROLES for _entry, name, option in options(role)}
    for name, words in COMPUTED.items():
        assert words in text(every[name])


@pytest.mark.parametrize("role", ROLES)
def test_tasks_use_variables_that_are_documented(role: str) -> None:
    """A name with the prefix of the role is a documented variable, or one that the role itself sets."""
    documented = {name for _entry, name, _option in options(role)}
    folder = ROOT / "roles" / role
    files = [*(folder / "tasks").glob("*.yml"), *(folder / "vars").glob("*.yml"), *(folder / "defaults").glob("*.yml")]
    source = "\n".join(re.sub(r"(?m)^\s*#.*$", "", path.read_text(encoding="utf-8")) for path in files)
    own = set(re.findall(rf"(?m)^ *(?:register|loop_var): ({role}_\w+)", source))
    own |= set(re.findall(rf"(?m)^ +({role}_\w+):", source))
    used = set(re.findall(rf"(?<![\w.]){role}_\w+", source))
    assert used <= documented | own
