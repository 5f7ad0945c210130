# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""configure_awx with other data: what was changed in AWX, what is refused, how it logs on, what a project installs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .configure import DATA, PROGRAMS, URL, configure
from .standin import data_set
from .standin.controller import Controller
from .standin.data_set import ROOT
from .standin.server import PASSWORD, USER, Running, running


def small() -> dict[str, Any]:
    """One job template, a workflow of it and a schedule for it, on top of what `prepare` makes."""
    template = data_set.job_templates()["publish DNS"] | {"credentials": []}
    (workflow,) = DATA["controller_workflows"]
    node = {"identifier": "dns", "unified_job_template": workflow["workflow_nodes"][1]["unified_job_template"]}
    return {
        "controller_templates": [template],
        "controller_workflows": [workflow | {"labels": ["kms"], "workflow_nodes": [node]}],
        "controller_schedules": [DATA["controller_schedules"][0] | {"unified_job_template": template["name"]}],
    }


@pytest.fixture
def place() -> Iterator[Running]:
    with running(Controller({URL: ROOT})) as started:
        yield started


def prepare(controller: Controller) -> None:
    """What a job template needs, past the playbook."""
    organization = controller.named("organizations", "Default")["id"]
    environment = {"name": "KMS: execution environment", "image": "example"}
    controller.create("execution_environments", environment)
    for name in ("kms", "kms-dns"):
        controller.create("labels", {"name": name, "organization": organization})
    controller.create("inventories", {"name": "KMS: Windows", "organization": organization})
    project = {"name": "KMS: collection", "organization": organization, "scm_type": "git", "scm_url": URL}
    made = controller.create("projects", project)
    for _step in range(2):
        controller.look_at_update(made["summary_fields"]["current_update"]["id"])


def test_what_was_changed_in_awx_is_put_right_and_nothing_else(place: Running, tmp_path: Path) -> None:
    controller = place.controller
    prepare(controller)
    assert configure(place, tmp_path, data=small()).rc == 0
    template = controller.named("job_templates", "KMS: publish DNS")
    labels = f"/api/v2/job_templates/{template['id']}/labels/"
    controller.survey("job_templates", template["name"])["spec"][0]["default"] = "other_hosts"
    controller.update("job_templates", template["id"], {"job_slice_count": 4})
    controller.associate(
        "job_templates",
        template["id"],
        "labels",
        {"id": controller.named("labels", "kms-dns")["id"], "disassociate": True},
    )
    schedule = controller.named("schedules", "KMS: weekly report")
    controller.update("schedules", schedule["id"], {"enabled": False})
    controller.survey("workflow_job_templates", "KMS: deploy")["description"] = "other"

    check = configure(place, tmp_path, "--check", data=small())
    assert (check.rc, check.writes) == (0, []), check.output
    assert check.changed == ["KMS: publish DNS", "KMS: deploy", "KMS: weekly report"]

    again = configure(place, tmp_path, data=small())
    workflow = controller.named("workflow_job_templates", "KMS: deploy")
    assert again.rc == 0, again.output
    assert again.writes == [
        ("PATCH", f"/api/v2/job_templates/{template['id']}/"),
        ("POST", labels),
        ("POST", f"/api/v2/job_templates/{template['id']}/survey_spec/"),
        ("POST", f"/api/v2/workflow_job_templates/{workflow['id']}/survey_spec/"),
        ("PATCH", f"/api/v2/schedules/{schedule['id']}/"),
    ]
    assert controller.named("job_templates", "KMS: publish DNS")["job_slice_count"] == 1
    assert controller.survey("job_templates", template["name"])["spec"][0]["default"] == "kms_hosts"
    assert configure(place, tmp_path, data=small()).writes == []


def test_what_exists_of_a_user_is_left_alone(place: Running, tmp_path: Path) -> None:
    organization = place.controller.named("organizations", "Default")["id"]
    own = {"name": "KMS: Windows", "organization": organization, "description": "ours", "variables": "a: 1"}
    place.controller.create("inventories", own)
    machine = place.controller.named("credential_types", "Machine")["id"]
    filled = {"name": "KMS: Windows administrator", "organization": organization, "credential_type": machine}
    place.controller.create("credentials", filled | {"inputs": {"username": "admin"}})
    data = {name: DATA[name] for name in ("controller_inventories", "controller_groups")} | {
        "controller_credentials": DATA["controller_credentials"][:1]
    }
    run = configure(place, tmp_path, data=data)
    assert run.rc == 0, run.output
    assert run.writes == [("POST", "/api/v2/groups/")] * 2
    assert place.controller.named("inventories", "KMS: Windows")["description"] == "ours"
    assert place.controller.named("credentials", filled["name"])["inputs"] == {"username": "admin"}


TEMPLATE = small()["controller_templates"][0]
BROKEN_SURVEY = TEMPLATE["survey_spec"] | {"spec": [TEMPLATE["survey_spec"]["spec"][0] | {"required": "yes"}]}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(
            {"controller_templates": [TEMPLATE | {"playbook": "playbooks/other.yml"}]},
            "Playbook not found for project",
            id="a playbook that the project has not",
        ),
        pytest.param(
            {"controller_templates": [TEMPLATE | {"survey_spec": BROKEN_SURVEY}]},
            "Failed to update survey: required of question 0",
            id="a broken survey",
        ),
        pytest.param(
            {"controller_templates": [TEMPLATE | {"labels": ["nobody made it"]}]},
            "Could not find label entry with name nobody made it",
            id="a label that is not there",
        ),
        pytest.param(
            {
                "controller_projects": [
                    DATA["controller_projects"][0] | {"name": "other", "scm_url": "https://nowhere.example"}
                ]
            },
            "Project update failed",
            id="a repository that can't be fetched",
        ),
        pytest.param(
            {"controller_labels": [{"name": "kms", "organization": "Nobody"}]},
            "organizations/?name=Nobody returned 0 items, expected 1",
            id="an organisation that is not there",
        ),
        pytest.param(
            {
                "controller_credential_types": [
                    {"name": "type", "kind": "cloud", "inputs": {"fields": [{"id": "key"}]}, "injectors": {}}
                ]
            },
            "a field has no label",
            id="a field without a label",
        ),
    ],
)
def test_a_refusal_is_told_in_its_words(place: Running, tmp_path: Path, data: dict[str, Any], words: str) -> None:
    prepare(place.controller)
    run = configure(place, tmp_path, data=data)
    assert run.rc == 2
    assert words in run.output


def test_a_wrong_schedule_is_refused(place: Running, tmp_path: Path) -> None:
    prepare(place.controller)
    project = place.controller.named("projects", "KMS: collection")
    rule = "DTSTART:20260105T060000Z RRULE:FREQ=WEEKLY"
    schedule = {"name": "weekly", "unified_job_template": project["name"], "rrule": rule}
    run = configure(place, tmp_path, data={"controller_schedules": [schedule]})
    assert run.rc == 2
    assert "INTERVAL required in rrule" in run.output


def test_user_and_password_in_variables(place: Running, tmp_path: Path) -> None:
    """Those of infra.aap_configuration; and each module gives its token back."""
    secrets = tmp_path / "secrets.yml"
    variables = {"aap_hostname": place.url, "aap_username": USER, "aap_password": PASSWORD, "aap_validate_certs": False}
    secrets.write_text(yaml.safe_dump(variables), encoding="utf-8")
    data = {"controller_labels": DATA["controller_labels"][:1]}
    run = configure(place, tmp_path, "-vvv", "-e", f"@{secrets}", data=data, environment={})
    assert run.rc == 0, run.output
    assert place.controller.names("labels") == ["kms"]
    tokens = [request.method for request in run.requests if request.path.startswith("/api/v2/tokens/")]
    assert tokens == ["POST", "DELETE"]
    assert PASSWORD not in run.output.replace(f"CONTROLLER_PASSWORD={PASSWORD}", "")


def test_a_wrong_token_is_told(place: Running, tmp_path: Path) -> None:
    environment = {"CONTROLLER_HOST": place.url, "CONTROLLER_OAUTH_TOKEN": "wrong"}
    run = configure(place, tmp_path, data={"controller_labels": DATA["controller_labels"]}, environment=environment)
    assert run.rc == 2
    assert "Invalid authentication credentials" in run.output
    assert place.controller.names("labels") == []


# -- a project of AWX that is this repository -------------------------------------------------------------------------


def test_an_update_of_the_project_installs_the_collection_that_its_playbooks_need(tmp_path: Path) -> None:
    """As in awx/playbooks/project_update.yml: in the folder of the project, from its collections/requirements.yml."""
    project, collections = tmp_path / "project", tmp_path / "requirements_collections"
    git = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(git, cwd=ROOT, check=True, capture_output=True, encoding="utf-8").stdout
    for entry in filter(None, listing.split("\0")):
        if (source := ROOT / entry).exists():
            (project / entry).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, project / entry, follow_symlinks=False)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment = kept | {"ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_HOME": str(tmp_path / "ansible")}

    def run(*words: str) -> str:
        command = [str(PROGRAMS / words[0]), *words[1:]]
        done = subprocess.run(command, cwd=project, env=environment, check=False, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("ansible-galaxy", "collection", "install", "-r", str(project / "collections" / "requirements.yml"))
    installed = collections / "ansible_collections" / "winops" / "kms"
    assert (installed / "plugins" / "action" / "client.py").is_file()
    tasks = run("ansible-playbook", "-i", "localhost,", "--list-tasks", "playbooks/site.yml")
    assert "winops.kms.install_kms_host : " in tasks
