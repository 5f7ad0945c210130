# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""configure_awx applies the data set of the collection to an empty AWX: in check mode, for the first time, again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from .configure import DATA, URL, Run, configure
from .standin.controller import Controller
from .standin.data_set import ROOT
from .standin.server import running


@dataclass(frozen=True)
class Applied:
    """The data set of the collection in an empty AWX: in check mode, for the first time, and once more."""

    controller: Controller
    check: Run
    first: Run
    second: Run


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Applied:
    folder = tmp_path_factory.mktemp("applied")
    with running(Controller({URL: ROOT})) as place:
        runs = [configure(place, folder, *words) for words in (["--check"], [], [])]
    return Applied(place.controller, *runs)


def test_check_mode_on_an_empty_awx_writes_nothing_and_says_what_follows(applied: Applied) -> None:
    assert applied.check.rc == 0, applied.check.output
    assert applied.check.writes == []
    assert "KMS: execution environment" in applied.check.changed
    assert f"{len(DATA['controller_templates'])} job templates" in applied.check.output


def test_all_of_it_is_made(applied: Applied) -> None:
    assert applied.first.rc == 0, applied.first.output
    assert applied.first.recap["failed"] == 0
    for variable, resource in (
        ("controller_execution_environments", "execution_environments"),
        ("controller_credential_types", "credential_types"),
        ("controller_credentials", "credentials"),
        ("controller_labels", "labels"),
        ("controller_projects", "projects"),
        ("controller_inventories", "inventories"),
        ("controller_groups", "groups"),
        ("controller_templates", "job_templates"),
        ("controller_workflows", "workflow_job_templates"),
        ("controller_schedules", "schedules"),
    ):
        assert applied.controller.names(resource) == [one["name"] for one in DATA[variable]]


def test_without_a_warning(applied: Applied) -> None:
    for run in (applied.check, applied.first, applied.second):
        assert "WARNING" not in run.output.replace("[WARNING]: No inventory was parsed", "")


@pytest.mark.parametrize("template", DATA["controller_templates"], ids=lambda one: one["name"])
def test_templates_are_as_the_data_says(applied: Applied, template: dict[str, Any]) -> None:
    name, made = template["name"], applied.controller.named("job_templates", template["name"])
    links = ("organization", "inventory", "project", "execution_environment")
    lists = ("credentials", "labels")
    plain = {key: value for key, value in template.items() if key not in (*links, *lists, "survey_spec")}
    assert {key: made[key] for key in plain} == plain
    for link, resource in zip(
        links, ("organizations", "inventories", "projects", "execution_environments"), strict=True
    ):
        assert made[link] == applied.controller.named(resource, template[link])["id"]
    for kind in lists:
        assert sorted(applied.controller.associated("job_templates", name, kind)) == sorted(template[kind])
    assert applied.controller.survey("job_templates", name) == template["survey_spec"]


def test_credential_types_keep_their_templates(applied: Applied) -> None:
    for kind in DATA["controller_credential_types"]:
        made = applied.controller.named("credential_types", kind["name"])
        assert (made["inputs"], made["injectors"]) == (kind["inputs"], kind["injectors"])


def test_the_nodes_of_the_workflow_follow_each_other(applied: Applied) -> None:
    controller = applied.controller
    (workflow,) = DATA["controller_workflows"]
    assert controller.survey("workflow_job_templates", workflow["name"]) == workflow["survey_spec"]
    for node in workflow["workflow_nodes"]:
        name = node["identifier"]
        template = controller.named("job_templates", node["unified_job_template"]["name"])
        assert controller.named("workflow_job_template_nodes", name)["unified_job_template"] == template["id"]
        after = [one["identifier"] for one in node.get("related", {}).get("success_nodes", [])]
        assert controller.associated("workflow_job_template_nodes", name, "success_nodes") == after


def test_no_credential_has_anything_in_it(applied: Applied) -> None:
    for name in applied.controller.names("credentials"):
        assert applied.controller.named("credentials", name)["inputs"] == {}


def test_a_second_run_changes_nothing(applied: Applied) -> None:
    assert applied.second.rc == 0, applied.second.output
    assert applied.second.writes == []
    assert applied.second.recap["changed"] == 0
