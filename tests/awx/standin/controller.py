# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller without jobs: it keeps what its API is told, by the rules of AWX 24.6, and refuses what AWX refuses."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from . import credential_types, projects, schedules, surveys
from .resources import PROMPTS, RESOURCES, UNIFIED, Field, Resource

Object = dict[str, Any]
ROOT = "/api/v2"
_PAGE = 25


class Refused(Exception):
    """An answer other than success: its status and its body."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


def invalid(**errors: str) -> Refused:
    """What AWX says about fields."""
    return Refused(400, {name: [sentence] for name, sentence in errors.items()})


class Controller:
    """Objects by resource and ID.  repositories: what an update of a project can fetch, URL -> folder."""

    def __init__(self, repositories: Mapping[str, Path] | None = None) -> None:
        self.repositories = dict(repositories or {})
        self._numbers = itertools.count(1)
        self._objects: dict[str, dict[int, Object]] = {name: {} for name in RESOURCES}
        self._lists: dict[tuple[str, int, str], list[int]] = {}
        self._surveys: dict[tuple[str, int], Object] = {}
        self._playbooks: dict[int, list[str]] = {}
        for name, kind in (("Machine", "ssh"), ("Source Control", "scm"), ("Vault", "vault")):
            one = self.create("credential_types", {"name": name, "kind": kind}, by_itself=True)
            self._objects["credential_types"][one["id"]]["managed"] = True
        self.create("organizations", {"name": "Default"})

    # What tests look at and change past the API.

    def named(self, resource: str, name: str) -> Object:
        """The one object of that name, or of that identifier."""
        (found,) = [one for one in self._objects[resource].values() if name in (one.get("name"), one.get("identifier"))]
        return found

    def names(self, resource: str) -> list[str]:
        """Names of all objects that a user has made, in the order in which they were."""
        return [
            one.get("name") or one["identifier"] for one in self._objects[resource].values() if not one.get("managed")
        ]

    def associated(self, resource: str, name: str, kind: str) -> list[str]:
        """Names of what is associated with an object."""
        others = self._objects[RESOURCES[resource].lists[kind]]
        numbers = self._lists.get((resource, self.named(resource, name)["id"], kind), [])
        return [others[number].get("name") or others[number]["identifier"] for number in numbers]

    def survey(self, resource: str, name: str) -> Object:
        """The survey of a template; a change of it counts."""
        return self._surveys.setdefault((resource, self.named(resource, name)["id"]), {})

    # The API.

    def find(self, resource: str, query: Mapping[str, str], path: str = "") -> Object:
        """One page of a list."""
        options = dict(query)
        page, size = int(options.pop("page", 1)), min(int(options.pop("page_size", _PAGE)), 200)
        options.pop("order_by", None)
        either = {name.removeprefix("or__"): options.pop(name) for name in list(options) if name.startswith("or__")}
        for name in (*options, *either):
            if name not in ("id", "type") and not self._has_field(resource, name):
                raise Refused(400, {"detail": f"{resource} has no field named '{name}'"})
        found = [
            one
            for one in self._all(resource)
            if all(_equals(one.get(name), value) for name, value in options.items())
            and (not either or any(_equals(one.get(name), value) for name, value in either.items()))
        ]
        return _page(path or f"{ROOT}/{resource}/", query, found, page, size)

    def get(self, resource: str, number: int) -> Object:
        """One object as the API shows it."""
        one = self._object(resource, number)
        return self._shown(resource, one)

    def create(self, resource: str, data: Any, *, by_itself: bool = False) -> Object:
        """Make an object."""
        definition = self._writable(resource)
        fields = {name: field.default for name, field in definition.fields.items()}
        new = fields | self._checked(definition, data)
        if missing := [name for name, field in definition.fields.items() if field.required and name not in data]:
            raise invalid(**{name: "This field is required." for name in missing})
        one = {"id": next(self._numbers), "type": definition.kind, **new}
        if not by_itself:
            self._check(resource, one, {})
        self._objects[resource][one["id"]] = one
        self._saved(resource, one, {})
        return self._shown(resource, one)

    def update(self, resource: str, number: int, data: Any) -> Object:
        """Change fields of an object."""
        definition = self._writable(resource)
        old = self._object(resource, number)
        if old.get("managed"):
            raise Refused(403, {"detail": "Modifications not allowed for managed objects"})
        new = old | self._checked(definition, data, later=True)
        self._check(resource, new, old)
        self._objects[resource][number] = new
        self._saved(resource, new, old)
        return self._shown(resource, new)

    def delete(self, resource: str, number: int) -> None:
        """Remove an object."""
        self._writable(resource)
        self._object(resource, number)
        del self._objects[resource][number]

    def related(self, resource: str, number: int, kind: str, query: Mapping[str, str]) -> Object:
        """What is below an object: a survey, a list of associated objects, the nodes of a workflow."""
        one = self._object(resource, number)
        definition = RESOURCES[resource]
        path = f"{ROOT}/{resource}/{number}/{kind}/"
        if kind == "survey_spec" and kind in definition.related:
            return self._surveys.get((resource, number), {})
        if kind == "workflow_nodes" and kind in definition.related:
            return self.find("workflow_job_template_nodes", {"workflow_job_template": str(number), **query}, path)
        if kind not in definition.lists:
            raise Refused(404, {"detail": "Not found."})
        target = definition.lists[kind]
        found = [self.get(target, other) for other in self._lists.get((resource, one["id"], kind), [])]
        return _page(path, query, found, int(query.get("page", 1)), int(query.get("page_size", _PAGE)))

    def associate(self, resource: str, number: int, kind: str, data: Any) -> None:
        """Associate an object with another one, or end that."""
        self._object(resource, number)
        definition = RESOURCES[resource]
        if kind not in definition.lists:
            raise Refused(404, {"detail": "Not found."})
        if not isinstance(data, dict) or set(data) - {"id", "disassociate"} or not isinstance(data.get("id"), int):
            raise Refused(400, {"msg": '"id" is required to associate, and is a number'})
        other = self._object(definition.lists[kind], data["id"])
        members = self._lists.setdefault((resource, number, kind), [])
        if data.get("disassociate"):
            if other["id"] in members:
                members.remove(other["id"])
        elif other["id"] not in members:
            self._check_association(resource, number, kind, other)
            members.append(other["id"])

    def set_survey(self, resource: str, number: int, survey: Any) -> None:
        """Put a survey in place of the old one."""
        self._object(resource, number)
        if "survey_spec" not in RESOURCES[resource].related:
            raise Refused(404, {"detail": "Not found."})
        try:
            self._surveys[resource, number] = surveys.check_survey(survey, self._surveys.get((resource, number)))
        except surveys.SurveyError as error:
            raise Refused(400, {"error": str(error)}) from error

    # Rules.

    def _has_field(self, resource: str, name: str) -> bool:
        names = UNIFIED if resource == "unified_job_templates" else (resource,)
        return any(name in RESOURCES[one].fields for one in names)

    def _all(self, resource: str) -> list[Object]:
        names = UNIFIED if resource == "unified_job_templates" else (resource,)
        if names[0] not in RESOURCES:
            raise Refused(404, {"detail": "Not found."})
        return [self._shown(name, one) for name in names for one in self._objects[name].values()]

    def _object(self, resource: str, number: int) -> Object:
        if resource not in RESOURCES or number not in self._objects[resource]:
            raise Refused(404, {"detail": "Not found."})
        return self._objects[resource][number]

    def _unified(self, number: int) -> tuple[str, Object]:
        return next((name, self._objects[name][number]) for name in UNIFIED if number in self._objects[name])

    def _writable(self, resource: str) -> Resource:
        if resource not in RESOURCES:
            raise Refused(404, {"detail": "Not found."})
        if RESOURCES[resource].read_only:
            raise Refused(405, {"detail": "Method not allowed."})
        return RESOURCES[resource]

    def _checked(self, definition: Resource, data: Any, *, later: bool = False) -> Object:
        """The fields that count, each by itself right."""
        if not isinstance(data, dict):
            raise Refused(400, {"detail": "JSON parse error - not a JSON object"})
        if unknown := sorted(set(data) - set(definition.fields)):
            raise invalid(**{name: "Unknown field." for name in unknown})
        return {
            name: self._value(name, definition.fields[name], value)
            for name, value in data.items()
            if definition.fields[name].read_only is not True and not (later and definition.fields[name].read_only)
        }

    def _value(self, name: str, field: Field, value: Any) -> Any:
        if value is None or (value == "" and field.kind == "link"):
            if field.null:
                return None
            if field.kind not in ("text", "choice"):
                raise invalid(**{name: "This field may not be null."})
            value = ""
        if field.kind == "link":
            names = UNIFIED if field.to == "unified_job_templates" else (field.to,)
            if (
                isinstance(value, bool)
                or not isinstance(value, int)
                or not any(value in self._objects[one] for one in names)
            ):
                raise invalid(**{name: f'Invalid pk "{value}" - object does not exist.'})
            return value
        kinds: dict[str, Callable[[Any], bool]] = {
            "text": lambda given: isinstance(given, str),
            "choice": lambda given: given in field.choices,
            "int": lambda given: isinstance(given, int) and not isinstance(given, bool),
            "bool": lambda given: isinstance(given, bool),
            "object": lambda given: isinstance(given, dict),
            "variables": _is_variables,
        }
        if not kinds[field.kind](value):
            raise invalid(**{name: f"{value!r} is not a valid {field.kind}."})
        if field.kind == "text" and field.required and not value.strip():
            raise invalid(**{name: "This field may not be blank."})
        if field.longest is not None and len(value) > field.longest:
            raise invalid(**{name: f"Ensure this field has no more than {field.longest} characters."})
        if field.low is not None and value < field.low:
            raise invalid(**{name: f"Ensure this value is greater than or equal to {field.low}."})
        if field.high is not None and value > field.high:
            raise invalid(**{name: f"Ensure this value is less than or equal to {field.high}."})
        return value

    def _check(self, resource: str, new: Object, old: Object) -> None:
        """What the fields together must be."""
        rules: dict[str, Callable[[Object, Object], None]] = {
            "credential_types": self._check_credential_type,
            "credentials": self._check_credential,
            "projects": self._check_project,
            "job_templates": self._check_job_template,
            "workflow_job_template_nodes": self._check_launch,
            "schedules": self._check_schedule,
        }
        if resource in rules:
            rules[resource](new, old)
        unique = RESOURCES[resource].unique
        for other in self._objects[resource].values():
            if unique and other["id"] != new["id"] and all(other[name] == new[name] for name in unique):
                raise Refused(400, {"__all__": [f"{resource} with this {' and '.join(unique)} already exists."]})

    def _check_credential_type(self, new: Object, old: Object) -> None:
        if new["kind"] not in credential_types.KINDS:
            raise invalid(kind=f"Must be 'cloud' or 'net', not {new['kind']}")
        in_use = any(one["credential_type"] == new["id"] for one in self._objects["credentials"].values())
        if in_use and new["inputs"] != old["inputs"]:
            raise Refused(
                403, {"detail": "Modifications to inputs are not allowed for credential types that are in use"}
            )
        try:
            new["inputs"] = credential_types.check_inputs(new["inputs"])
        except credential_types.CredentialTypeError as error:
            raise invalid(inputs=str(error)) from error
        if any(one.get("ask_at_runtime") for one in new["inputs"].get("fields", [])):
            raise invalid(inputs="'ask_at_runtime' is not supported for custom credentials.")
        try:
            credential_types.check_injectors(new["injectors"], new["inputs"])
        except credential_types.CredentialTypeError as error:
            raise invalid(injectors=str(error)) from error

    def _check_credential(self, new: Object, old: Object) -> None:
        kind = self._objects["credential_types"][new["credential_type"]]
        if old and old["credential_type"] != new["credential_type"]:
            raise invalid(credential_type="You cannot change the credential type of the credential.")
        if kind["managed"]:
            return
        try:
            credential_types.check_credential(new["inputs"], kind, complete=False)
        except credential_types.CredentialTypeError as error:
            raise invalid(inputs=str(error)) from error

    def _check_project(self, new: Object, old: Object) -> None:
        if new["scm_type"] and not new["scm_url"]:
            raise invalid(scm_url="SCM URL is required.")
        if not new["scm_type"] and (new["scm_update_on_launch"] or new["scm_clean"]):
            raise invalid(scm_update_on_launch="Update options must be set to false for manual projects.")
        if new["credential"] is not None:
            kind = self._objects["credential_types"][self._objects["credentials"][new["credential"]]["credential_type"]]
            if kind["kind"] != "scm":
                raise invalid(credential="Credential kind must be 'scm'.")

    def _check_job_template(self, new: Object, old: Object) -> None:
        if new["project"] is None:
            raise invalid(project="This field is required.")
        project = self._objects["projects"][new["project"]]
        new["organization"] = project["organization"]
        if not new["playbook"]:
            raise invalid(playbook="Must select playbook for project.")
        if new["playbook"] not in self._playbooks.get(project["id"], []):
            raise invalid(playbook="Playbook not found for project.")
        if (new["scm_branch"] or new["ask_scm_branch_on_launch"]) and not project["allow_override"]:
            raise invalid(scm_branch="Project does not allow overriding branch.")
        if new["inventory"] is None and not new["ask_inventory_on_launch"]:
            raise invalid(inventory="You must either set a default value or ask to prompt on launch.")

    def _check_launch(self, new: Object, old: Object) -> None:
        """What a schedule or a node says about its job must be asked for."""
        if new["unified_job_template"] is None:
            return
        resource, template = self._unified(new["unified_job_template"])
        for name, question in PROMPTS.items():
            if new.get(name) not in (None, "") and not template.get(question):
                raise invalid(**{name: "Field is not configured to prompt on launch."})
        if new["extra_data"]:
            survey = self._surveys.get((resource, template["id"]))
            try:
                surveys.launch(template | {"survey_spec": survey, "extra_vars": {}}, new["extra_data"], by_itself=True)
            except surveys.LaunchError as error:
                raise invalid(extra_data=str(error)) from error

    def _check_schedule(self, new: Object, old: Object) -> None:
        if errors := schedules.rule_errors(new["rrule"]):
            raise invalid(rrule=" ".join(errors))
        self._check_launch(new, old)

    def _check_association(self, resource: str, number: int, kind: str, other: Object) -> None:
        members = self._lists[resource, number, kind]
        if kind == "credentials":
            types = {self._objects["credentials"][one]["credential_type"] for one in members}
            if other["credential_type"] in types:
                name = self._objects["credential_types"][other["credential_type"]]["name"]
                raise Refused(400, {"error": f"Cannot assign multiple {name} credentials."})
        if kind.endswith("_nodes"):
            own = self._objects[resource][number]
            if own["workflow_job_template"] != other["workflow_job_template"]:
                raise Refused(400, {"Error": "Relationship not allowed."})
            if number in self._after(other["id"]):
                raise Refused(400, {"Error": "Cycle detected."})

    def _after(self, number: int) -> set[int]:
        """A node and all that come after it."""
        kinds = ("always_nodes", "failure_nodes", "success_nodes")
        after = [one for kind in kinds for one in self._lists.get(("workflow_job_template_nodes", number, kind), [])]
        return {number}.union(*map(self._after, after))

    # Updates of projects.

    def _saved(self, resource: str, new: Object, old: Object) -> None:
        source = ("scm_type", "scm_url", "scm_branch", "scm_refspec", "credential")
        if resource == "projects" and new["scm_type"] and any(new[name] != old.get(name) for name in source):
            self.update_project(new["id"])

    def update_project(self, number: int) -> Object:
        """Begin an update, which is done when someone has looked at it twice."""
        project = self._objects["projects"][number]
        update = {
            "id": next(self._numbers),
            "type": "project_update",
            "name": project["name"],
            "project": number,
            "status": "pending",
            "scm_revision": "",
        }
        self._objects["project_updates"][update["id"]] = update
        project["status"] = "pending"
        return self._shown("project_updates", update)

    def look_at_update(self, number: int) -> Object:
        """One step on: pending, running, done."""
        update = self._object("project_updates", number)
        project = self._objects["projects"][update["project"]]
        if update["status"] == "pending":
            update["status"] = "running"
        elif update["status"] == "running":
            folder = self.repositories.get(project["scm_url"])
            update["status"] = project["status"] = "successful" if folder else "failed"
            if folder:
                self._playbooks[project["id"]] = projects.playbooks(folder)
        return self._shown("project_updates", update)

    # How objects are shown.

    def _shown(self, resource: str, one: Object) -> Object:
        url = f"{ROOT}/{resource}/{one['id']}/"
        definition = RESOURCES[resource]
        summary: Object = {}
        if resource == "projects":
            running = [
                update["id"]
                for update in self._objects["project_updates"].values()
                if update["project"] == one["id"] and update["status"] in ("pending", "running")
            ]
            if running:
                summary["current_update"] = {"id": running[-1]}
        return {
            **one,
            "url": url,
            "related": {name: f"{url}{name}/" for name in (*definition.lists, *definition.related)},
            "summary_fields": summary,
        }


def _page(path: str, query: Mapping[str, str], found: list[Object], page: int, size: int) -> Object:
    if page < 1 or (page > 1 and (page - 1) * size >= len(found)):
        raise Refused(404, {"detail": "Invalid page."})

    def link(number: int) -> str:
        words = "&".join(f"{name}={value}" for name, value in {**query, "page": str(number)}.items())
        return f"{path}?{words}"

    return {
        "count": len(found),
        "next": link(page + 1) if page * size < len(found) else None,
        "previous": link(page - 1) if page > 1 else None,
        "results": found[(page - 1) * size : page * size],
    }


def _equals(value: Any, text: str) -> bool:
    return json.dumps(value) == text.lower() if isinstance(value, bool) else str(value) == text


def _is_variables(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        content = yaml.safe_load(value)
    except yaml.YAMLError:
        return False
    return content is None or isinstance(content, dict)
