# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources of the controller's API that a data set needs: their fields, what is required, what is unique.

As in AWX 24.6 (serializers in awx/api, models in awx/main).  A field that is not listed here is refused, where AWX
would quietly drop it: what is sent and does nothing is a mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Field:
    """kind: text, int, bool, choice, object, variables (a text of YAML or JSON), or link (the ID of an object).

    to: what a link leads to. read_only: what is sent is ignored; "later": it can be set when the object is made.
    """

    kind: str
    default: Any = None
    required: bool = False
    null: bool = False
    to: str = ""
    choices: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    longest: int | None = None
    read_only: bool | str = False


@dataclass(frozen=True)
class Resource:
    """kind: what `type` says. lists: sub-resource -> what is associated there. unique: fields that no two share."""

    kind: str
    fields: Mapping[str, Field]
    unique: tuple[str, ...] = ("name",)
    lists: Mapping[str, str] = field(default_factory=dict)
    related: tuple[str, ...] = ()
    read_only: bool = False


def _text(default: str = "", *, longest: int | None = None) -> Field:
    return Field("text", default, longest=longest)


def _flag(default: bool = False) -> Field:
    return Field("bool", default)


def _link(to: str, *, required: bool = False, read_only: bool | str = False) -> Field:
    return Field("link", None, required=required, null=not required, to=to, read_only=read_only)


def _number(default: int | None, low: int = 0, high: int | None = None) -> Field:
    return Field("int", default, null=default is None, low=low, high=high)


_NAME = Field("text", required=True, longest=512)
_DESCRIPTION = _text()
_JOB_TYPES = ("run", "check")
_ASKED = {
    name: f"ask_{question}_on_launch"
    for name, question in (
        ("credentials", "credential"),
        ("diff_mode", "diff_mode"),
        ("execution_environment", "execution_environment"),
        ("extra_vars", "variables"),
        ("forks", "forks"),
        ("instance_groups", "instance_groups"),
        ("inventory", "inventory"),
        ("job_slice_count", "job_slice_count"),
        ("job_tags", "tags"),
        ("job_type", "job_type"),
        ("labels", "labels"),
        ("limit", "limit"),
        ("scm_branch", "scm_branch"),
        ("skip_tags", "skip_tags"),
        ("timeout", "timeout"),
        ("verbosity", "verbosity"),
    )
}
#: What a schedule or a node may say about the job that it launches -> what the template must ask for then.
PROMPTS = {name: question for name, question in _ASKED.items() if name != "extra_vars"}
_PROMPTED = {
    "diff_mode": Field("bool", null=True),
    "execution_environment": _link("execution_environments"),
    "extra_data": Field("object", {}),
    "forks": _number(None),
    "inventory": _link("inventories"),
    "job_slice_count": _number(None),
    "job_tags": Field("text", "", null=True),
    "job_type": Field("choice", null=True, choices=_JOB_TYPES),
    "limit": Field("text", "", null=True),
    "scm_branch": Field("text", "", null=True),
    "skip_tags": Field("text", "", null=True),
    "timeout": _number(None),
    "verbosity": _number(None, 0, 5),
}
_TEMPLATE_LISTS = {"labels": "labels", "instance_groups": "instance_groups"}
_LAUNCH_LISTS = {"credentials": "credentials", "labels": "labels", "instance_groups": "instance_groups"}

RESOURCES: dict[str, Resource] = {
    "organizations": Resource(
        "organization",
        {"name": _NAME, "description": _DESCRIPTION, "default_environment": _link("execution_environments")},
        lists={"galaxy_credentials": "credentials"},
    ),
    "instance_groups": Resource("instance_group", {"name": _NAME}),
    "execution_environments": Resource(
        "execution_environment",
        {
            "name": _NAME,
            "description": _DESCRIPTION,
            "organization": _link("organizations"),
            "image": Field("text", required=True, longest=1024),
            "credential": _link("credentials"),
            "pull": Field("choice", "", choices=("", "always", "missing", "never")),
            "managed": Field("bool", False, read_only=True),
        },
    ),
    "credential_types": Resource(
        "credential_type",
        {
            "name": _NAME,
            "description": _DESCRIPTION,
            "kind": Field("choice", required=True, choices=("ssh", "vault", "net", "scm", "cloud", "galaxy")),
            "inputs": Field("object", {}),
            "injectors": Field("object", {}),
            "managed": Field("bool", False, read_only=True),
            "namespace": Field("text", None, null=True, read_only=True),
        },
        unique=("name", "kind"),
    ),
    "credentials": Resource(
        "credential",
        {
            "name": _NAME,
            "description": _DESCRIPTION,
            "organization": _link("organizations"),
            "credential_type": _link("credential_types", required=True),
            "inputs": Field("object", {}),
            "managed": Field("bool", False, read_only=True),
        },
        unique=("name", "organization", "credential_type"),
    ),
    "labels": Resource(
        "label",
        {"name": _NAME, "organization": _link("organizations", required=True)},
        unique=("name", "organization"),
    ),
    "projects": Resource(
        "project",
        {
            "name": _NAME,
            "description": _DESCRIPTION,
            "organization": _link("organizations"),
            "local_path": _text(longest=1024),
            "scm_type": Field("choice", "", choices=("", "git", "svn", "insights", "archive")),
            "scm_url": _text(longest=1024),
            "scm_branch": _text(longest=256),
            "scm_refspec": _text(longest=1024),
            "scm_clean": _flag(),
            "scm_delete_on_update": _flag(),
            "scm_track_submodules": _flag(),
            "scm_update_on_launch": _flag(),
            "scm_update_cache_timeout": _number(0),
            "allow_override": _flag(),
            "timeout": _number(0, low=-(2**31)),
            "credential": _link("credentials"),
            "default_environment": _link("execution_environments"),
            "signature_validation_credential": _link("credentials"),
            "status": Field("text", "never updated", read_only=True),
            "scm_revision": Field("text", "", read_only=True),
        },
        unique=("name", "organization"),
        related=("update",),
    ),
    "project_updates": Resource(
        "project_update",
        {"name": _NAME, "project": _link("projects"), "status": _text(), "scm_revision": _text()},
        unique=(),
        read_only=True,
    ),
    "inventories": Resource(
        "inventory",
        {
            "name": _NAME,
            "description": _DESCRIPTION,
            "organization": _link("organizations", required=True),
            "kind": Field("choice", "", choices=("", "smart", "constructed")),
            "host_filter": Field("text", None, null=True),
            "variables": Field("variables", ""),
            "prevent_instance_group_fallback": _flag(),
        },
        unique=("name", "organization"),
        lists={"instance_groups": "instance_groups"},
    ),
    "groups": Resource(
        "group",
        {
            "name": _NAME,
            "description": _DESCRIPTION,
            "inventory": _link("inventories", required=True, read_only="later"),
            "variables": Field("variables", ""),
        },
        unique=("name", "inventory"),
        lists={"children": "groups"},
    ),
    "job_templates": Resource(
        "job_template",
        {
            "name": _NAME,
            "description": _DESCRIPTION,
            # That of the project.
            "organization": _link("organizations", read_only=True),
            "job_type": Field("choice", "run", choices=_JOB_TYPES),
            "inventory": _link("inventories"),
            "project": _link("projects"),
            "playbook": _text(longest=1024),
            "scm_branch": _text(longest=1024),
            "forks": _number(0),
            "limit": _text(),
            "verbosity": _number(0, 0, 5),
            "extra_vars": Field("variables", ""),
            "job_tags": _text(),
            "force_handlers": _flag(),
            "skip_tags": _text(),
            "start_at_task": _text(longest=1024),
            "timeout": _number(0, low=-(2**31)),
            "use_fact_cache": _flag(),
            "execution_environment": _link("execution_environments"),
            "host_config_key": _text(longest=1024),
            "survey_enabled": _flag(),
            "become_enabled": _flag(),
            "diff_mode": _flag(),
            "allow_simultaneous": _flag(),
            "job_slice_count": _number(1),
            "webhook_service": Field("choice", "", choices=("", "github", "gitlab")),
            "webhook_credential": _link("credentials"),
            "prevent_instance_group_fallback": _flag(),
            **{question: _flag() for question in _ASKED.values()},
        },
        unique=("name", "organization"),
        lists=_TEMPLATE_LISTS | {"credentials": "credentials"},
        related=("survey_spec",),
    ),
    "workflow_job_templates": Resource(
        "workflow_job_template",
        {
            "name": _NAME,
            "description": _DESCRIPTION,
            "organization": _link("organizations"),
            "inventory": _link("inventories"),
            "limit": Field("text", "", null=True),
            "scm_branch": Field("text", "", null=True),
            "extra_vars": Field("variables", ""),
            "job_tags": Field("text", "", null=True),
            "skip_tags": Field("text", "", null=True),
            "survey_enabled": _flag(),
            "allow_simultaneous": _flag(),
            "webhook_service": Field("choice", "", choices=("", "github", "gitlab")),
            "webhook_credential": _link("credentials"),
            **{
                f"ask_{question}_on_launch": _flag()
                for question in ("inventory", "labels", "limit", "scm_branch", "skip_tags", "tags", "variables")
            },
        },
        unique=("name", "organization"),
        lists={"labels": "labels"},
        related=("survey_spec", "workflow_nodes"),
    ),
    "workflow_job_template_nodes": Resource(
        "workflow_job_template_node",
        {
            "workflow_job_template": _link("workflow_job_templates", required=True, read_only="later"),
            "unified_job_template": _link("unified_job_templates"),
            "identifier": Field("text", required=True, longest=512),
            "all_parents_must_converge": _flag(),
            **_PROMPTED,
        },
        unique=("identifier", "workflow_job_template"),
        lists=_LAUNCH_LISTS
        | {f"{when}_nodes": "workflow_job_template_nodes" for when in ("always", "failure", "success")},
    ),
    "schedules": Resource(
        "schedule",
        {
            "name": _NAME,
            "description": _DESCRIPTION,
            "unified_job_template": _link("unified_job_templates", required=True),
            "enabled": _flag(True),
            "rrule": Field("text", required=True),
            **_PROMPTED,
        },
        unique=("name", "unified_job_template"),
        lists=_LAUNCH_LISTS,
    ),
}
#: What can be launched; all of these together are the list `unified_job_templates`.
UNIFIED = ("projects", "job_templates", "workflow_job_templates")
