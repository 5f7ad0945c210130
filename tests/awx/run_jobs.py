# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of the data set, run by ansible-runner as AWX runs them, against a lab.

After AWX 24.6: `RunJob` in awx/main/tasks/jobs (command line, password prompts, files, environment), `get_script_data`
in awx/main/models/inventory (inventory script, slices), `inject_credential` in awx/main/models/credential, and
`get_job_kwargs` in awx/main/models/workflow (what later nodes get).  There is no container around a job, which has its
paths on this machine.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner
import yaml

from ansible_collections.winops.kms.tests.awx.standin import credential_types, data_set, surveys
from ansible_collections.winops.kms.tests.system.harness import COLLECTIONS, PROGRAMS, TaskResult
from kmslab.control import Lab

ROOT = Path(__file__).resolve().parents[2]
#: Events with the result of a task on a host.
RESULTS = ("runner_on_ok", "runner_on_failed", "runner_on_unreachable", "runner_on_skipped", "runner_retry")
_META = ("awx", "tower")
#: What these answer is the password of the machine credential.
_PROMPTS = (r"SSH password:\s*?$", r"Password:\s*?$")


class UnsafeDumper(yaml.SafeDumper):
    """Writes every text as `!unsafe`, as AWX writes what is not in the job template itself."""

    def represent_data(self, data: Any) -> Any:
        if isinstance(data, str):
            return self.represent_scalar("!unsafe", str(data))
        return super().represent_data(data)


def unsafe_yaml(variables: Mapping[str, Any], trusted: Mapping[str, Any]) -> str:
    """Extra variables as a file; those of the job template (`trusted`) are no unsafe text."""
    return "".join(
        yaml.dump(
            {name: value},
            Dumper=yaml.SafeDumper if name in trusted and trusted[name] == value else UnsafeDumper,
            default_flow_style=False,
        )
        for name, value in variables.items()
    )


@dataclass(frozen=True)
class Credential:
    """A credential of one of the data set's types (the name without the prefix), with what was put into it."""

    kind: str
    inputs: Mapping[str, Any]


@dataclass(frozen=True)
class JobRun:
    """What one job did.  `folder` is its private data directory."""

    number: int
    template: str
    status: str
    rc: int
    stdout: str
    folder: Path
    artifacts: dict[str, Any]
    """What set_stats passes on."""
    events: list[dict[str, Any]] = field(repr=False)
    extra_vars: dict[str, Any] = field(repr=False)
    written: frozenset[Path] = field(repr=False)
    """The files that hold what AWX has written, secrets among it."""

    @property
    def results(self) -> list[TaskResult]:
        found = []
        for event in self.events:
            data = event.get("event_data") or {}
            if event["event"] in RESULTS:
                found.append(
                    TaskResult(
                        event["event"],
                        data["host"],
                        data.get("play", ""),
                        data.get("role", ""),
                        data["task"],
                        data["task_action"],
                        data.get("res") or {},
                    )
                )
        return found

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """Count (ok, changed, failures, dark, ...) -> host -> number."""
        (stats,) = (event["event_data"] for event in self.events if event["event"] == "playbook_on_stats")
        return {name: value for name, value in stats.items() if isinstance(value, dict) and name != "artifact_data"}

    @property
    def changed(self) -> list[str]:
        return sorted(host for host, count in self.recap["changed"].items() if count)

    @property
    def messages(self) -> str:
        """What a human reads of the results."""
        return "\n".join(str(one.get("msg", "")) for result in self.results for one in result.module_results)

    def left_behind(self) -> Iterator[tuple[Path, str]]:
        """Every file that the job left, but those that AWX itself has written."""
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and path not in self.written:
                yield path, path.read_bytes().decode("utf-8", "replace")


class Awx:
    """Launches job templates of the data set by their names without the prefix, such as `install host (check)`."""

    def __init__(self, lab: Lab, folder: Path, *, connection: str = "winrm", user: str, password: str) -> None:
        self._lab, self._folder = lab, folder
        self._connection, self._user, self._password = connection, user, password
        self._templates = data_set.job_templates()
        self._types = data_set.credential_types()
        self._last = 0
        self._lock = threading.Lock()

    def run(
        self,
        template: str,
        answers: Mapping[str, Any] | None = None,
        *,
        credentials: Sequence[Credential] = (),
        artifacts: Mapping[str, Any] | None = None,
        by_itself: bool = False,
        limit: str = "",
        slices: int | None = None,
        verbosity: int = 0,
        diff: bool | None = None,
    ) -> list[JobRun]:
        """Launch a job and wait for its end; more than one where it is sliced, in the order in which they ended.

        answers: what a person fills into the form, in place of the defaults that stand in it (None: a field that is
        emptied); with by_itself, what a workflow or a schedule says as extra variables. artifacts: what earlier nodes
        of a workflow have passed on.
        Raises LaunchError for answers that AWX refuses.
        """
        found = self._templates[template]
        given = dict(answers or {}) if by_itself else surveys.from_form(found, answers or {})
        variables = surveys.launch(found, given, by_itself=by_itself) | dict(artifacts or {})
        count = slices or int(found["job_slice_count"])
        with self._lock:
            numbers = [self._last + index + 1 for index in range(count)]
            self._last += count
        ended: list[JobRun] = []

        def one(index: int) -> None:
            content = script_data(self._lab, self._connection, index, count)
            run = self._job(numbers[index], found, template, variables, content, credentials, limit, verbosity, diff)
            ended.append(run)

        with ThreadPoolExecutor(count) as pool:
            list(pool.map(one, range(count)))
        return ended

    def _job(
        self,
        number: int,
        template: Mapping[str, Any],
        name: str,
        variables: Mapping[str, Any],
        inventory: Mapping[str, Any],
        credentials: Sequence[Credential],
        limit: str,
        verbosity: int,
        diff: bool | None,
    ) -> JobRun:
        folder = self._folder / f"awx_{number}"
        for part in ("env", "inventory", "project", "tmp", "home"):
            (folder / part).mkdir(parents=True)
        # The update of a project brings its playbooks, and installs the collection of collections/requirements.yml.
        shutil.copytree(ROOT / "playbooks", folder / "project" / "playbooks")
        (folder / "requirements_collections").symlink_to(COLLECTIONS)
        script = folder / "inventory" / "hosts"
        script.write_text(f"#! /usr/bin/env python3\nprint({json.dumps(inventory)!r})\n", encoding="utf-8")
        script.chmod(0o700)
        every = dict(variables) | _meta(number, template)
        extra = folder / "env" / "extravars"
        extra.write_text(unsafe_yaml(every, template.get("extra_vars") or {}), encoding="utf-8")
        arguments = ["--check"] if template["job_type"] == "check" else []
        arguments += ["-u", self._user, "--ask-pass"]
        arguments += ["--diff"] if (template["diff_mode"] if diff is None else diff) else []
        arguments += [f"--forks={template['forks']}"]
        arguments += ["-l", limit] if limit else []
        arguments += ["-" + "v" * verbosity] if verbosity else []
        environment = self._environment(folder, number)
        written = {extra}
        for index, credential in enumerate(credentials):
            injected = credential_types.inject(self._types[credential.kind], credential.inputs, folder / "env")
            environment |= injected.env
            written |= set(injected.files.values())
            if injected.extra_vars:
                path = folder / "env" / f"credential{index}"
                path.write_text(unsafe_yaml(injected.extra_vars, {}), encoding="utf-8")
                path.chmod(0o400)
                written.add(path)
                arguments += ["-e", f"@{path}"]
        (folder / "env" / "cmdline").write_text(ansible_runner.utils.args2cmdline(*arguments), encoding="utf-8")
        (folder / "env" / "settings").write_text(json.dumps({"suppress_ansible_output": True}), encoding="utf-8")
        runner = ansible_runner.run(
            ident=str(number),
            private_data_dir=str(folder),
            playbook=template["playbook"],
            inventory=str(script),
            passwords=dict.fromkeys(_PROMPTS, self._password),
            suppress_env_files=True,
            envvars=environment,
            fact_cache_type="",
        )
        events = list(runner.events)
        passed_on = [(event.get("event_data") or {}).get("artifact_data") or {} for event in events]
        return JobRun(
            number=number,
            template=name,
            status=runner.status,
            rc=runner.rc,
            stdout=runner.stdout.read(),
            folder=folder,
            artifacts={key: value for one in passed_on for key, value in one.items()},
            events=events,
            extra_vars=every,
            written=frozenset(written),
        )

    @staticmethod
    def _environment(folder: Path, number: int) -> dict[str, str]:
        """Also what keeps settings of this machine and of the user out of the job."""
        config = folder / "home" / "ansible.cfg"
        config.touch()
        return {
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": "",
            "NO_PROXY": "127.0.0.1,localhost,::1",
            "TMPDIR": str(folder / "tmp"),
            "ANSIBLE_CONFIG": str(config),
            "ANSIBLE_HOME": str(folder / "home"),
            "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
            "ANSIBLE_REMOTE_TMP": str(folder / "tmp"),
            "ANSIBLE_COLLECTIONS_PATH": str(folder / "requirements_collections"),
            "ANSIBLE_ROLES_PATH": str(folder / "requirements_roles"),
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_FORCE_COLOR": "True",
            "AWX_PRIVATE_DATA_DIR": str(folder),
            "JOB_ID": str(number),
            "INVENTORY_ID": "1",
            "PROJECT_REVISION": "0" * 40,
            "MAX_EVENT_RES": "700000",
        }

    def workflow(
        self, answers: Mapping[str, Any], credentials: Mapping[str, Sequence[Credential]], *, verbosity: int = 0
    ) -> dict[str, list[JobRun]]:
        """Run the nodes of the data set's workflow; each gets what those before it have passed on.

        credentials: job template -> its credentials beside that of the machines.  It ends at a node that fails.
        """
        variables = data_set.load()
        (workflow,) = variables["controller_workflows"]
        nodes = {node["identifier"]: node for node in workflow["workflow_nodes"]}
        follow = {name: node.get("related", {}).get("success_nodes", []) for name, node in nodes.items()}
        (current,) = nodes.keys() - {one["identifier"] for following in follow.values() for one in following}
        given = surveys.launch(workflow, answers)
        done: dict[str, list[JobRun]] = {}
        passed_on: dict[str, Any] = {}
        while True:
            name = nodes[current]["unified_job_template"]["name"].removeprefix(variables["kms_awx_prefix"])
            # The workflow's own variables go before what nodes pass on.
            runs = self.run(
                name,
                given,
                artifacts=passed_on | given,
                credentials=credentials.get(name, ()),
                by_itself=True,
                verbosity=verbosity,
            )
            done[name] = runs
            if any(run.status != "successful" for run in runs):
                return done
            for run in runs:
                passed_on |= run.artifacts
            if not follow[current]:
                return done
            current = follow[current][0]["identifier"]


def script_data(lab: Lab, connection: str, index: int, count: int) -> dict[str, Any]:
    """What an inventory script prints: the hosts of one slice alone, all groups, and no account of any machine."""
    tree = yaml.safe_load(lab.inventory.read_text(encoding="utf-8"))["all"]
    values = {**tree["vars"], "ansible_connection": connection}
    for secret in ("ansible_user", "ansible_password"):
        values.pop(secret, None)
    values |= {"publish_dns_server_port": lab.info["dns_port"], "publish_dns_retries": 1, "publish_dns_delay": 1}
    names = sorted(tree["hosts"])
    mine = names[index::count]
    data: dict[str, Any] = {"all": {"vars": values, "children": list(tree["children"]), "hosts": []}}
    for name, group in tree["children"].items():
        found = {
            "hosts": [host for host in group.get("hosts") or {} if host in mine],
            "vars": group.get("vars") or {},
        }
        if any(found.values()):
            data[name] = {key: value for key, value in found.items() if value}
    data["_meta"] = {
        "hostvars": {
            host: {**tree["hosts"][host], "remote_tower_enabled": "true", "remote_tower_id": names.index(host) + 1}
            for host in mine
        }
    }
    return data


def _meta(number: int, template: Mapping[str, Any]) -> dict[str, Any]:
    """The variables about itself that each job gets."""
    values = {
        "job_id": number,
        "job_launch_type": "manual",
        "job_template_id": 7,
        "job_template_name": template["name"],
        "project_revision": "0" * 40,
        "project_scm_branch": "",
        "inventory_id": 1,
        "inventory_name": "KMS: Windows",
        "user_id": 1,
        "user_name": "admin",
        "user_email": "",
        "user_first_name": "",
        "user_last_name": "",
    }
    return {f"{prefix}_{name}": value for prefix in _META for name, value in values.items()}
