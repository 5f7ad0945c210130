# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The data set agrees with the playbooks, the roles, the modules of awx.awx and infra.aap_configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.winops.kms.plugins.plugin_utils._action.role_options import problems

from .standin import data_set
from .standin.data_set import FOLDER, ROOT

DATA = data_set.load()
TEMPLATES = data_set.job_templates()
TYPES = data_set.credential_types()
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
#: They change neither machines nor DNS.
READ_ONLY = {"report", "export_installation_ids"}
#: Survey default -> why it is not that of the role.
OTHER_DEFAULTS = {"point_clients_wait": (300, "slices count together, and each may need the others")}
ASKED = [
    pytest.param(name, question, id=f"{name}-{question['variable']}")
    for name, template in [*TEMPLATES.items(), ("deploy", DATA["controller_workflows"][0])]
    if template.get("job_type") != "check"
    for question in template["survey_spec"]["spec"]
]
INJECTED = [
    pytest.param(name, variable, id=f"{name}-{variable}")
    for name, kind in TYPES.items()
    for variable in kind["injectors"]["extra_vars"]
]


# -- playbooks and roles -----------------------------------------------------------------------------------------------


def _playbook(path: str) -> Path:
    return ROOT / path


def _parts(path: Path) -> Iterator[Path]:
    """A playbook and those that it imports."""
    yield path
    for play in yaml.safe_load(path.read_text(encoding="utf-8")):
        if name := play.get("ansible.builtin.import_playbook"):
            yield from _parts(path.parent / name)


@cache
def roles_of(path: Path) -> set[str]:
    """Names of the roles that a playbook applies."""
    text = "\n".join(part.read_text(encoding="utf-8") for part in _parts(path))
    return set(re.findall(r"(?:role|name): winops\.kms\.(\w+)$", text, re.MULTILINE))


@cache
def playbook_variables(path: Path) -> dict[str, str]:
    """Variables of a playbook (kms_...) -> their defaults, as far as they are texts."""
    text = "\n".join(part.read_text(encoding="utf-8") for part in _parts(path))
    names = dict.fromkeys(re.findall(r"(?<![\w.])kms_\w+", text), "")
    fallbacks = (r"\b(kms_\w+) if .* else '([^']+)'", r"\b(kms_\w+) \| default\('([^']+)'")
    return names | dict(found for pattern in fallbacks for found in re.findall(pattern, text))


@cache
def options(role: str) -> dict[str, Any]:
    """Options of a role, of all its entry points."""
    content = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    return {name: option for entry in content["argument_specs"].values() for name, option in entry["options"].items()}


@cache
def kinds(role: str) -> dict[str, Any]:
    """What each option of a role holds."""
    content = yaml.safe_load((ROOT / "roles" / role / "vars" / "main.yml").read_text(encoding="utf-8"))
    found: dict[str, Any] = content[f"_{role}_kinds"]
    return found


def owner(variable: str) -> str | None:
    """The role that has the option."""
    roles = (path.name for path in sorted((ROOT / "roles").iterdir()))
    return next((role for role in roles if variable in options(role)), None)


def paths_of(name: str) -> list[Path]:
    """The playbooks that a template, or each node of the workflow, runs."""
    if name == "deploy":
        nodes = DATA["controller_workflows"][0]["workflow_nodes"]
        prefix = DATA["kms_awx_prefix"]
        names = [node["unified_job_template"]["name"].removeprefix(prefix) for node in nodes]
        return [_playbook(TEMPLATES[one]["playbook"]) for one in names]
    return [_playbook(TEMPLATES[name]["playbook"])]


@pytest.mark.parametrize(("name", "question"), ASKED)
def test_a_survey_variable_is_one_that_the_playbook_knows(name: str, question: dict[str, Any]) -> None:
    variable, paths = question["variable"], paths_of(name)
    role = owner(variable)
    if role is not None:
        assert any(role in roles_of(path) for path in paths), f"no playbook applies the role {role}"
    else:
        assert any(variable in playbook_variables(path) for path in paths)


@pytest.mark.parametrize(("name", "question"), ASKED)
def test_a_question_agrees_with_the_option_of_the_role(name: str, question: dict[str, Any]) -> None:
    variable = question["variable"]
    role = owner(variable)
    if role is None:
        defaults = {playbook_variables(path).get(variable) for path in paths_of(name)} - {None, ""}
        assert question.get("default", "") in defaults | {"", "false"}
        return
    option, kind = options(role)[variable], kinds(role)[variable]
    assert not option.get("no_log"), "a secret belongs into a credential"
    if kind == "flag":
        assert (question["type"], question["choices"]) == ("multiplechoice", ["true", "false"])
    elif isinstance(kind, list):
        assert question["type"] == "multiplechoice"
        assert sorted(question["choices"]) == sorted(kind)
    elif question["type"] == "integer":
        low, high = question["min"], question["max"]
        assert not problems({variable: kind}, {variable: low}) and not problems({variable: kind}, {variable: high})
        assert problems({variable: kind}, {variable: low - 1})
        if kind != "seconds":
            assert problems({variable: kind}, {variable: high + 1})
    else:
        assert question["type"] == "text"
    wanted = option.get("default", "")
    wanted = OTHER_DEFAULTS.get(variable, (str(wanted).lower() if isinstance(wanted, bool) else wanted,))[0]
    assert question.get("default", "") == wanted
    assert not problems({variable: kind}, {variable: question.get("default", "")})


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_a_role_must_have_is_asked_for_or_comes_with_a_credential(name: str) -> None:
    template = TEMPLATES[name]
    required = {
        option
        for role in roles_of(_playbook(template["playbook"]))
        for option, one in options(role).items()
        if one.get("required")
    }
    kind_of = {one["name"]: one["credential_type"] for one in DATA["controller_credentials"]}
    injectors = {kind["name"]: kind["injectors"]["extra_vars"] for kind in DATA["controller_credential_types"]}
    given = {variable for one in template["credentials"] for variable in injectors.get(kind_of[one], {})}
    given |= {question["variable"] for question in template["survey_spec"]["spec"] if question["required"]}
    assert required <= given


# -- templates ---------------------------------------------------------------------------------------------------------


def test_each_playbook_has_a_template_and_a_twin_if_it_changes_anything() -> None:
    by_playbook: dict[str, list[str]] = {}
    for template in TEMPLATES.values():
        by_playbook.setdefault(Path(template["playbook"]).stem, []).append(template["job_type"])
    expected = {name: ["run"] if name in READ_ONLY else ["run", "check"] for name in PLAYBOOKS}
    assert by_playbook == {name: types for name, types in expected.items() if name != "configure_awx"}


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name.endswith(" (check)")])
def test_a_twin_differs_in_name_type_and_label_alone(name: str) -> None:
    twin, template = TEMPLATES[name], TEMPLATES[name.removesuffix(" (check)")]
    assert twin == template | {
        "name": template["name"] + " (check)",
        "job_type": "check",
        "labels": [*template["labels"], "kms-reads-only"],
    }


@pytest.mark.parametrize("name", TEMPLATES)
def test_only_clients_are_sliced_and_only_they_run_side_by_side(name: str) -> None:
    template = TEMPLATES[name]
    sliced = template["playbook"] == "playbooks/point_clients.yml"
    assert (template["job_slice_count"] > 1) is sliced
    assert template["allow_simultaneous"] is sliced
    assert template.get("ask_job_slice_count_on_launch", False) is sliced
    assert ("kms-reads-only" in template["labels"]) is (
        template["job_type"] == "check" or Path(template["playbook"]).stem in READ_ONLY
    )
    for asked in ("limit", "tags", "skip_tags", "variables", "credential", "inventory", "verbosity", "diff_mode"):
        assert template[f"ask_{asked}_on_launch"] is True


def test_the_workflow_is_the_whole_job_in_order() -> None:
    (workflow,) = DATA["controller_workflows"]
    nodes = {node["identifier"]: node for node in workflow["workflow_nodes"]}
    after = {
        name: [one["identifier"] for one in node.get("related", {}).get("success_nodes", [])]
        for name, node in nodes.items()
    }
    assert after == {
        "install-host": ["publish-dns"],
        "publish-dns": ["point-clients"],
        "point-clients": ["report"],
        "report": [],
    }
    assert [path.stem for path in paths_of("deploy")] == ["install_kms_host", "publish_dns", "point_clients", "report"]


def test_the_daily_check_changes_nothing() -> None:
    names = {one["name"]: one for one in DATA["controller_templates"]}
    launched = {one["name"]: names[one["unified_job_template"]] for one in DATA["controller_schedules"]}
    assert launched["KMS: daily drift check"]["job_type"] == "check"
    assert launched["KMS: weekly report"]["playbook"] == "playbooks/report.yml"


@pytest.mark.parametrize("kind", ["controller_templates", "controller_workflows"])
def test_only_labels_of_the_data_set_are_used(kind: str) -> None:
    known = {label["name"] for label in DATA["controller_labels"]}
    assert {label for one in DATA[kind] for label in one["labels"]} <= known


def test_names_come_from_the_settings() -> None:
    other = data_set.load({"kms_awx_prefix": "X/", "kms_awx_organization": "Ours", "kms_awx_inventory": "Machines"})
    text = str({name: value for name, value in other.items() if name.startswith("controller_")})
    assert "KMS: " not in text and "'Default'" not in text
    assert {one["inventory"] for one in other["controller_templates"]} == {"Machines"}


def test_credentials_for_dns_are_added_where_dns_is_changed() -> None:
    other = data_set.job_templates({"kms_awx_dns_credentials": ["DNS key"]})
    assert {Path(one["playbook"]).stem for one in other.values() if "DNS key" in one["credentials"]} == {
        "publish_dns",
        "site",
        "replace_host",
        "decommission_host",
    }


# -- secrets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "variable"), INJECTED)
def test_a_credential_gives_variables_that_are_options(name: str, variable: str) -> None:
    role = owner(variable)
    assert role is not None
    template = TYPES[name]["injectors"]["extra_vars"][variable]
    secret = {field["id"] for field in TYPES[name]["inputs"]["fields"] if field.get("secret")}
    used = set(re.findall(r"\{\{ (\w+) \}\}", template))
    if options(role)[variable].get("no_log"):
        assert used and used <= secret, "a secret option is given by a field that is not secret"
    else:
        assert not used & secret, "a secret is given to an option that is shown"


@pytest.mark.parametrize("name", TYPES)
def test_each_credential_type_has_a_secret_and_uses_all_its_fields(name: str) -> None:
    fields = TYPES[name]["inputs"]["fields"]
    assert any(field.get("secret") for field in fields)
    assert not any("default" in field for field in fields if field.get("secret"))
    text = str(TYPES[name]["injectors"])
    assert [field["id"] for field in fields if f"{{{{ {field['id']} }}}}" not in text] == []


def test_no_key_and_no_secret_is_in_the_files() -> None:
    for path in FOLDER.iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\b([A-Z0-9]{5}-){4}[A-Z0-9]{5}\b", text), path.name
    assert not any("inputs" in one for one in DATA["controller_credentials"])


# -- who reads it ------------------------------------------------------------------------------------------------------

#: Variable -> what the roles of infra.aap_configuration read of its elements (as far as we use it).
ROLES_READ: dict[str, str] = {
    "controller_execution_environments": "name description image organization credential pull state",
    "controller_credential_types": "name description injectors inputs kind state",
    "controller_credentials": "name description organization credential_type inputs state",
    "controller_labels": "name organization state",
    "controller_inventories": "name description organization variables kind host_filter state",
    "controller_groups": "name description inventory variables hosts children state",
    "controller_projects": "name description organization scm_type scm_url scm_branch credential scm_update_on_launch"
    " default_environment state",
    "controller_templates": "name description job_type organization inventory project playbook execution_environment"
    " credentials forks diff_mode allow_simultaneous job_slice_count labels survey_enabled survey_spec"
    " ask_credential_on_launch ask_diff_mode_on_launch ask_forks_on_launch ask_inventory_on_launch"
    " ask_job_slice_count_on_launch ask_limit_on_launch ask_skip_tags_on_launch ask_tags_on_launch"
    " ask_variables_on_launch ask_verbosity_on_launch extra_vars state",
    "controller_workflows": "name description organization inventory extra_vars allow_simultaneous"
    " ask_inventory_on_launch ask_variables_on_launch labels survey_enabled survey_spec workflow_nodes state",
    "controller_schedules": "name description organization unified_job_template rrule extra_data enabled state",
}


def test_the_variables_are_those_of_the_roles() -> None:
    assert {name for name in DATA if name.startswith("controller_")} == set(ROLES_READ)
    assert all(name in ROLES_READ or name.startswith("kms_awx_") for name in DATA)


@pytest.mark.parametrize("variable", ROLES_READ)
def test_elements_have_only_what_is_read(variable: str) -> None:
    used = {key for element in DATA[variable] for key in element}
    assert used <= set(ROLES_READ[variable].split())


@pytest.mark.parametrize("variable", ROLES_READ)
def test_the_playbook_hands_on_all_of_an_element(variable: str) -> None:
    (play,) = yaml.safe_load((ROOT / "playbooks" / "configure_awx.yml").read_text(encoding="utf-8"))
    (task,) = [task for task in play["tasks"] if task.get("loop") == f"{{{{ {variable} }}}}"]
    ((module, given),) = [(key, value) for key, value in task.items() if key.startswith("awx.awx.")]
    used = {key for element in DATA[variable] for key in element}
    assert used <= set(given), f"{module} is not given all of it"
    for name, template in given.items():
        assert re.match(rf"\{{\{{ kms_awx_item\.{name}\b", template), f"{name} of {module}"
