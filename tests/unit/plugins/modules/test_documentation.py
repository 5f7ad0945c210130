# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules that run as Python (srv_record and so on): argument spec and documentation say the same."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.winops.kms.plugins import doc_fragments

PLUGINS = Path(doc_fragments.__path__[0]).parent
MODULES = sorted(
    path.stem for path in (PLUGINS / "modules").glob("[a-z]*.py") if not (PLUGINS / "action" / path.name).exists()
)


def module_of(name: str) -> Any:
    return importlib.import_module(f"ansible_collections.winops.kms.plugins.modules.{name}")


def documented(name: str) -> dict[str, Any]:
    """The options of the documentation, with those of its fragments beneath."""
    documentation = yaml.safe_load(module_of(name).DOCUMENTATION)
    fragments = documentation.get("extends_documentation_fragment") or []
    merged: dict[str, Any] = {}
    for fragment in [fragments] if isinstance(fragments, str) else fragments:
        file, _dot, section = fragment.removeprefix("winops.kms.").partition(".")
        source = importlib.import_module(f"{doc_fragments.__name__}.{file}").ModuleDocFragment
        for option, described in (
            yaml.safe_load(getattr(source, (section or "documentation").upper())).get("options", {}).items()
        ):
            merged.setdefault(option, {}).update(described)
    for option, described in documentation["options"].items():
        merged.setdefault(option, {}).update(described)
    return merged


def shape(option: dict[str, Any], suboptions: str) -> dict[str, Any]:
    """What a specification and a documentation of one option must share."""
    return {
        "type": option.get("type", "str"),
        "default": option.get("default"),
        "choices": list(option["choices"]) if option.get("choices") else None,
        "required": option.get("required", False),
        "elements": option.get("elements"),
        "aliases": sorted(option.get("aliases") or ()),
        "suboptions": {name: shape(inner, suboptions) for name, inner in (option.get(suboptions) or {}).items()},
    }


def test_these_are_the_modules() -> None:
    assert {"srv_record", "discovery_info"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_documentation_and_spec_have_the_same_options(name: str) -> None:
    described = {option: shape(one, "suboptions") for option, one in documented(name).items()}
    specified = {option: shape(one, "options") for option, one in module_of(name).ARGUMENTS.items()}
    assert described == specified


@pytest.mark.parametrize("name", MODULES)
def test_secrets_are_never_logged(name: str) -> None:
    for option, one in module_of(name).ARGUMENTS.items():
        if re.search(r"secret|password", option):
            assert one.get("no_log") is True, option
        elif re.search(r"key|token", option):
            assert "no_log" in one, f"{option}: ansible-core guesses by the name"
