# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stand-in of the controller keeps to the rules of the API: what it refuses, and how it answers."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from .standin.controller import Controller, Refused
from .standin.data_set import ROOT
from .standin.projects import playbooks
from .standin.schedules import rule_errors

URL = "https://git.example.com/project.git"


@pytest.fixture
def controller() -> Controller:
    """With a project that is updated, an inventory, and a template `first`."""
    made = Controller({URL: ROOT})
    organization = made.named("organizations", "Default")["id"]
    project = {"name": "project", "organization": organization, "scm_type": "git", "scm_url": URL}
    update = made.create("projects", project)["summary_fields"]["current_update"]["id"]
    assert [made.look_at_update(update)["status"] for _step in range(3)] == ["running", "successful", "successful"]
    made.create("inventories", {"name": "inventory", "organization": organization})
    made.create("job_templates", template(made, "first"))
    return made


def template(controller: Controller, name: str, **other: Any) -> dict[str, Any]:
    return {
        "name": name,
        "project": controller.named("projects", "project")["id"],
        "inventory": controller.named("inventories", "inventory")["id"],
        "playbook": "playbooks/site.yml",
    } | other


def refused(controller: Controller, resource: str, data: dict[str, Any]) -> str:
    with pytest.raises(Refused) as error:
        controller.create(resource, data)
    assert error.value.status == 400
    return str(error.value.body)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("odd", 1, "Unknown field"),
        ("name", "first", "already exists"),
        ("name", "", "may not be blank"),
        ("name", "x" * 513, "no more than 512"),
        ("name", 1, "not a valid text"),
        ("job_type", "scan", "not a valid choice"),
        ("forks", -1, "greater than or equal to 0"),
        ("forks", "5", "not a valid int"),
        ("verbosity", 6, "less than or equal to 5"),
        ("diff_mode", "true", "not a valid bool"),
        ("extra_vars", "[1, 2]", "not a valid variables"),
        ("extra_vars", {"a": 1}, "not a valid variables"),
        ("project", None, "field is required"),
        ("project", 999, "object does not exist"),
        ("inventory", None, "ask to prompt on launch"),
        ("playbook", "playbooks/none.yml", "Playbook not found"),
        ("playbook", "", "Must select playbook"),
        ("scm_branch", "main", "does not allow overriding branch"),
        ("ask_scm_branch_on_launch", True, "does not allow overriding branch"),
    ],
)
def test_job_templates(controller: Controller, field: str, value: Any, words: str) -> None:
    assert words in refused(controller, "job_templates", template(controller, "second") | {field: value})


def test_a_template_needs_a_name_and_has_the_organisation_of_its_project(controller: Controller) -> None:
    nameless = {key: value for key, value in template(controller, "").items() if key != "name"}
    assert "field is required" in refused(controller, "job_templates", nameless)
    assert (
        controller.named("job_templates", "first")["organization"] == controller.named("organizations", "Default")["id"]
    )


def test_a_project_has_no_playbooks_before_its_update_has_ended(controller: Controller) -> None:
    late = {"name": "late", "organization": 1, "scm_type": "git", "scm_url": URL}
    late["organization"] = controller.named("organizations", "Default")["id"]
    project = controller.create("projects", late)
    data = template(controller, "second", project=project["id"])
    assert "Playbook not found" in refused(controller, "job_templates", data)
    for _step in range(2):
        controller.look_at_update(project["summary_fields"]["current_update"]["id"])
    controller.create("job_templates", data)
    assert "current_update" not in controller.get("projects", project["id"])["summary_fields"]


def test_an_update_of_a_repository_that_is_not_there_fails(controller: Controller) -> None:
    data = {"name": "lost", "scm_type": "git", "scm_url": "https://nowhere.example"}
    update = controller.create("projects", data)["summary_fields"]["current_update"]["id"]
    assert [controller.look_at_update(update)["status"] for _step in range(2)] == ["running", "failed"]


def test_playbooks_are_what_awx_takes_for_them(tmp_path: Path) -> None:
    for name, text in {
        "site.yml": "- name: x\n  ansible.builtin.import_playbook: other.yml\n",
        "playbooks/b.yaml": "---\n- hosts: all\n",
        "playbooks/A.yml": "$ANSIBLE_VAULT;1.1;AES256\n",
        "playbooks/vars.yml": "name: value\n",
        "roles/x/tests/test.yml": "- hosts: all\n",
        "tasks/main.yml": "- hosts: all\n",
        "host_vars/x.yml": "- hosts: all\n",
        ".github/x.yml": "- hosts: all\n",
        "notes.txt": "- hosts: all\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert playbooks(tmp_path) == ["playbooks/A.yml", "playbooks/b.yaml", "site.yml"]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("RRULE:FREQ=DAILY;INTERVAL=1", "Valid DTSTART required"),
        ("DTSTART:20260105T060000 RRULE:FREQ=DAILY;INTERVAL=1", "naive"),
        ("DTSTART:20260105T060000Z DTSTART:20260105T060000Z RRULE:FREQ=DAILY;INTERVAL=1", "Multiple DTSTART"),
        ("DTSTART;TZID=Mars/Olympus:20260105T060000 RRULE:FREQ=DAILY;INTERVAL=1", "no time zone"),
        ("DTSTART:20260105T060000Z", "One or more rule required"),
        ("DTSTART:20260105T060000Z RRULE:FREQ=DAILY", "INTERVAL required"),
        ("DTSTART:20260105T060000Z RRULE:FREQ=SECONDLY;INTERVAL=1", "SECONDLY is not supported"),
        ("DTSTART:20260105T060000Z RRULE:FREQ=DAILY;INTERVAL=1;COUNT=1000", "COUNT=1000"),
        ("DTSTART:20260105T060000Z RRULE:FREQ=DAILY;INTERVAL=1;COUNT=1;UNTIL=20270101T000000Z", "both COUNT and UNTIL"),
        ("DTSTART:20260105T060000Z RRULE:FREQ=MONTHLY;INTERVAL=1;BYDAY=1MO", "BYDAY=1MO"),
        ("DTSTART:20260105T060000Z RRULE:FREQ=DAILY;INTERVAL=1 EXDATE:20260106T060000Z", "EXDATE not allowed"),
    ],
)
def test_recurrence_rules(rule: str, words: str) -> None:
    assert any(words in error for error in rule_errors(rule))


def test_recurrence_rules_that_are_right() -> None:
    for rule in (
        "DTSTART:20260105T060000Z RRULE:FREQ=DAILY;INTERVAL=1",
        "DTSTART;TZID=Europe/Berlin:20260105T060000 RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;COUNT=10",
    ):
        assert rule_errors(rule) == []


def test_what_a_node_or_schedule_says_must_be_asked_for(controller: Controller) -> None:
    first = controller.named("job_templates", "first")
    workflow = controller.create("workflow_job_templates", {"name": "workflow"})
    node = {"workflow_job_template": workflow["id"], "unified_job_template": first["id"], "identifier": "node"}
    assert "not configured to prompt" in refused(controller, "workflow_job_template_nodes", node | {"limit": "a"})
    assert "not allowed on launch" in refused(
        controller, "workflow_job_template_nodes", node | {"extra_data": {"a": 1}}
    )
    asking = {"ask_limit_on_launch": True, "ask_variables_on_launch": True}
    controller.update("job_templates", first["id"], asking)
    controller.create("workflow_job_template_nodes", node | {"limit": "a", "extra_data": {"a": 1}})


def test_nodes_must_not_go_round_in_circles(controller: Controller) -> None:
    workflow = controller.create("workflow_job_templates", {"name": "workflow"})["id"]
    first = controller.named("job_templates", "first")["id"]
    nodes = [
        controller.create(
            "workflow_job_template_nodes",
            {"workflow_job_template": workflow, "unified_job_template": first, "identifier": str(number)},
        )["id"]
        for number in range(3)
    ]
    for before, after in itertools.pairwise(nodes):
        controller.associate("workflow_job_template_nodes", before, "success_nodes", {"id": after})
    with pytest.raises(Refused, match="Cycle detected"):
        controller.associate("workflow_job_template_nodes", nodes[2], "always_nodes", {"id": nodes[0]})


def test_one_credential_of_a_type(controller: Controller) -> None:
    machine = controller.named("credential_types", "Machine")["id"]
    one, other = (controller.create("credentials", {"name": name, "credential_type": machine})["id"] for name in "ab")
    first = controller.named("job_templates", "first")["id"]
    controller.associate("job_templates", first, "credentials", {"id": one})
    with pytest.raises(Refused, match="Cannot assign multiple Machine credentials"):
        controller.associate("job_templates", first, "credentials", {"id": other})


def test_credential_types_in_use_and_managed_ones_stay(controller: Controller) -> None:
    inputs = {"fields": [{"id": "key", "label": "Key", "type": "string"}]}
    kind = controller.create("credential_types", {"name": "type", "kind": "cloud", "inputs": inputs})["id"]
    controller.create("credentials", {"name": "one", "credential_type": kind, "inputs": {"key": "x"}})
    with pytest.raises(Refused, match="in use"):
        controller.update("credential_types", kind, {"inputs": {"fields": []}})
    with pytest.raises(Refused, match="not allowed for managed"):
        controller.update("credential_types", controller.named("credential_types", "Machine")["id"], {"name": "x"})
    assert "Must be 'cloud' or 'net'" in refused(controller, "credential_types", {"name": "x", "kind": "ssh"})
    assert "not allowed in a credential" in refused(
        controller, "credentials", {"name": "two", "credential_type": kind, "inputs": {"odd": "x"}}
    )


def test_lists_come_in_pages(controller: Controller) -> None:
    organization = controller.named("organizations", "Default")["id"]
    for number in range(30):
        controller.create("labels", {"name": f"{number:02}", "organization": organization})
    first = controller.find("labels", {})
    assert (first["count"], len(first["results"]), first["previous"]) == (30, 25, None)
    assert first["next"] == "/api/v2/labels/?page=2"
    second = controller.find("labels", {"page": "2"})
    assert (len(second["results"]), second["next"]) == (5, None)
    with pytest.raises(Refused, match="Invalid page"):
        controller.find("labels", {"page": "3"})
    assert controller.find("labels", {"name": "07"})["count"] == 1
    assert controller.find("labels", {"or__id": "0", "or__name": "07"})["count"] == 1
    with pytest.raises(Refused, match="no field named 'odd'"):
        controller.find("labels", {"odd": "1"})


def test_all_that_can_be_launched_is_one_list(controller: Controller) -> None:
    controller.create("workflow_job_templates", {"name": "workflow"})
    found = controller.find("unified_job_templates", {})["results"]
    assert {(one["type"], one["name"]) for one in found} == {
        ("project", "project"),
        ("job_template", "first"),
        ("workflow_job_template", "workflow"),
    }
    assert controller.find("unified_job_templates", {"type": "project", "name": "first"})["count"] == 0
