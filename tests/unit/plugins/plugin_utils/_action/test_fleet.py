# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections to all hosts of a play, as the ansible-core that is installed would make them; nothing is sent."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.executor.process.worker import WorkerProcess
from ansible.plugins.action import ActionBase
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ansible_collections.winops.kms.plugins.plugin_utils._action import fleet
from ansible_collections.winops.kms.plugins.plugin_utils._action.fleet import CONTRACT, SharedTickets
from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import CimAuthenticationError

# -- what is used of ansible-core --------------------------------------------------------------------------------------


def test_what_is_used_of_ansible_core_is_there() -> None:
    hostvars = inspect.getsource(HostVars)
    assert all(f"self.{name}" in hostvars for name in CONTRACT["HostVars"])
    parameters = inspect.signature(VariableManager.get_vars).parameters
    assert set(CONTRACT["VariableManager.get_vars"]) <= parameters.keys()
    assert all(callable(getattr(Templar, name)) for name in CONTRACT["Templar"])
    worker = inspect.getsource(WorkerProcess.__init__)
    assert all(f"self.{name}" in worker for name in CONTRACT["WorkerProcess"])
    action = inspect.getsource(ActionBase.__init__)
    assert all(f"self.{name}" in action for name in CONTRACT["ActionBase"])


def test_nothing_else_that_is_private_is_used() -> None:
    source = inspect.getsource(fleet)
    assert set(re.findall(r"hostvars\.(_\w+)", source)) == set(CONTRACT["HostVars"])
    assert set(re.findall(r"action\.(_\w+)", source)) == set(CONTRACT["ActionBase"])
    assert set(re.findall(r'current_process\(\), "(_\w+)"', source)) == set(CONTRACT["WorkerProcess"])
    assert set(re.findall(r"\b(\w+)=", source[source.index("get_vars(") :].partition(")\n")[0])) <= set(
        CONTRACT["VariableManager.get_vars"]
    )


# -- the options of the connections ------------------------------------------------------------------------------------

#: An action that writes down the options of the connection that the task executor has made for its host, and one that
#: does so for all hosts of the play with its own connections.
PLUGINS = {
    "executor_options": """
from ansible.plugins.action import ActionBase
import json, pathlib

def shown(connection):
    return {"plugin": connection.transport, **{name: repr(value) for name, value in connection._options.items()}}

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        path = pathlib.Path(self._task.args["folder"], task_vars["inventory_hostname"])
        path.write_text(json.dumps(shown(self._connection)))
        return {"changed": False}
""",
    "fleet_options": """
from ansible.plugins.action import ActionBase
import json, pathlib
from ansible_collections.winops.kms.plugins.plugin_utils._action.fleet import FleetConnections

def shown(connection):
    return {"plugin": connection.transport, **{name: repr(value) for name, value in connection._options.items()}}

class ActionModule(ActionBase):
    BYPASS_HOST_LOOP = True
    def run(self, tmp=None, task_vars=None):
        connections = FleetConnections(self, task_vars)
        for host in task_vars["ansible_play_hosts_all"]:
            path = pathlib.Path(self._task.args["folder"], host)
            path.write_text(json.dumps(shown(connections.connection(host))))
        return {"changed": False}
""",
}
INVENTORY: dict[str, Any] = {
    "all": {
        "vars": {"ansible_connection": "winrm", "ansible_port": 5986, "site": "a"},
        "children": {
            "by_psrp": {
                "vars": {"ansible_connection": "psrp", "ansible_psrp_auth": "{{ how }}", "how": "negotiate"},
                "hosts": {
                    # The action runs for the first host.
                    "psrp1": {
                        "ansible_host": "192.0.2.1",
                        "ansible_password": "password of the first host",
                        "ansible_timeout": 4,
                        "ansible_psrp_cert_validation": "ignore",
                    },
                    "psrp2": {"ansible_psrp_read_timeout": 7, "ansible_psrp_max_envelope_size": 12345, "how": "basic"},
                    "psrp3": {"ansible_psrp_certificate_pem": "/x.pem", "ansible_psrp_user": "{{ omit }}"},
                },
            },
            "by_winrm": {
                "vars": {"ansible_user": "svc-{{ site }}", "ansible_winrm_transport": ["ntlm", "basic"]},
                "hosts": {
                    "winrm1": {},
                    "winrm2": {"site": "b", "ansible_password": "{{ passwords[site] }}", "ansible_host": "two.example"},
                    "winrm3": {"ansible_winrm_server_cert_validation": "ignore", "ansible_winrm_read_timeout_sec": 99},
                    "winrm4": {"ansible_winrm_scheme": "http", "ansible_port": "{{ 5985 }}"},
                    "winrm5": {"ansible_winrm_connection_timeout": 3, "ansible_winrm_user": "own@CORP.EXAMPLE"},
                    "winrm6": {"ansible_password": "{{ omit }}", "ansible_winrm_kerberos_delegation": True},
                },
            },
            "others": {
                "hosts": {
                    "either": {"ansible_connection": "{{ 'psrp' if site == 'a' else 'winrm' }}"},
                    "linux": {"ansible_connection": "ssh"},
                    "local": {"ansible_connection": "local"},
                    "unsafe": {"ansible_user": {"__ansible_unsafe": "{{ not a template }}"}},
                }
            },
        },
    }
}
PLAY_VARIABLES = {
    "passwords": {"a": "password of a", "b": "password of b"},
    "ansible_winrm_message_encryption": "always",
}


def run_both(
    folder: Path, *arguments: str, play: dict[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Host -> options, by the task executor and by FleetConnections."""
    plugins = folder / "action_plugins"
    plugins.mkdir()
    for name, source in PLUGINS.items():
        (plugins / f"{name}.py").write_text(source, encoding="utf-8")
    tasks = []
    for name in PLUGINS:
        (folder / name).mkdir()
        tasks.append({name: {"folder": str(folder / name)}, "vars": {"ansible_winrm_realm": "of the task"}})
    (folder / "inventory.json").write_text(json.dumps(INVENTORY), encoding="utf-8")
    entry = {"hosts": "all", "gather_facts": False, "vars": PLAY_VARIABLES, "tasks": tasks, **(play or {})}
    (folder / "playbook.json").write_text(json.dumps([entry]), encoding="utf-8")
    program = Path(sys.executable).with_name("ansible-playbook")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [str(program), "-i", "inventory.json", "playbook.json", *arguments],
        cwd=folder,
        env={
            **kept,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "ANSIBLE_COLLECTIONS_PATH": next(path for path in sys.path if path.endswith(".build")),
            "ANSIBLE_HOME": str(folder / "home"),
            "ANSIBLE_LOCAL_TEMP": str(folder / "temporary"),
            "ANSIBLE_FORKS": "4",
            "ANSIBLE_TIMEOUT": "23",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    executor, own = (
        {path.name: json.loads(path.read_text(encoding="utf-8")) for path in (folder / name).iterdir()}
        for name in PLUGINS
    )
    assert executor.keys() == own.keys()
    return executor, own


def test_the_options_are_those_of_the_task_executor(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("password of the command line", encoding="utf-8")
    arguments = ["-u", "of-the-command-line", "--connection-password-file", str(password)]
    executor, own = run_both(tmp_path, *arguments, "-e", "ansible_winrm_kinit_mode=manual", "-e", "ansible_psrp_path=x")
    for host, options in executor.items():
        assert own[host] == options, host
    assert {name: options["plugin"] for name, options in own.items() if not name.startswith(("psrp", "winrm"))} == {
        "either": "psrp",
        "linux": "ssh",
        "local": "local",
        "unsafe": "winrm",
    }
    # That there is something to compare.
    assert own["winrm2"]["remote_user"] == "'svc-b'" and "password of b" in own["winrm2"]["remote_password"]
    assert "password of the command line" in own["winrm1"]["remote_password"]
    assert "password of the first host" in own["psrp1"]["remote_password"]
    assert "of-the-command-line" in own["psrp1"]["remote_user"]
    assert own["winrm1"]["kerberos_mode"] == "'manual'"
    assert "'of the task'" in own["winrm1"]["_extras"] and "always" in own["winrm1"]["_extras"]


def test_keywords_of_play_and_task_count(tmp_path: Path) -> None:
    play = {"remote_user": "of-the-play", "connection": "psrp", "port": 4711, "serial": 0}
    executor, own = run_both(tmp_path, play=play)
    assert own == executor
    assert "of-the-play" in own["psrp1"]["remote_user"]


# -- Kerberos tickets --------------------------------------------------------------------------------------------------


class Kinit:
    """Stands for the plugin's kinit: who asked for a ticket, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *wrong: str) -> None:
        self.runs: list[str] = []
        self._wrong = wrong
        monkeypatch.setattr(fleet, "ticket_by_plugin", self)

    def __call__(self, connection: Any, endpoint: str) -> None:
        self.runs.append(connection._winrm_user)
        if connection._winrm_user in self._wrong:
            raise CimAuthenticationError(f"The password of {connection._winrm_user} is wrong.", endpoint=endpoint)


def a_connection(user: str, password: str = "secret", **options: Any) -> Any:
    return SimpleNamespace(_winrm_user=user, _winrm_pass=password, _kinit_cmd="kinit", get_option=options.get)


def test_the_hosts_of_an_account_share_a_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    kinit = Kinit(monkeypatch)
    tickets = SharedTickets()
    for number in range(20):
        tickets.hold().get(a_connection("alice"), f"http://pc{number}/wsman")
    assert kinit.runs == ["alice"]


@pytest.mark.parametrize(
    "other",
    [a_connection("bob"), a_connection("alice", "another"), a_connection("alice", kinit_args="-l 5m"),
     a_connection("alice", _extras={"ansible_winrm_kerberos_delegation": True})],
)  # fmt: skip
def test_what_makes_another_ticket_is_another_account(monkeypatch: pytest.MonkeyPatch, other: Any) -> None:
    kinit = Kinit(monkeypatch)
    tickets = SharedTickets()
    for connection in (a_connection("alice"), other, other, a_connection("alice")):
        hold = tickets.hold()
        hold.get(connection, "http://pc/wsman")
        hold.release()
    assert kinit.runs == ["alice", other._winrm_user, "alice"]


def test_hosts_of_another_account_wait_until_those_of_the_first_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    kinit = Kinit(monkeypatch)
    tickets = SharedTickets()
    one, two, other = (tickets.hold() for _turn in range(3))
    one.get(a_connection("alice"), "http://1/wsman")
    two.get(a_connection("alice"), "http://2/wsman")
    has = threading.Event()

    def wait() -> None:
        other.get(a_connection("bob"), "http://3/wsman")
        has.set()

    threading.Thread(target=wait, daemon=True).start()
    one.release()
    one.release()
    assert not has.wait(0.05), "the second release of one is not that of two"
    two.release()
    assert has.wait(20)
    assert kinit.runs == ["alice", "bob"]


def test_a_host_that_logs_on_again_keeps_its_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    kinit = Kinit(monkeypatch)
    tickets = SharedTickets()
    hold, other = tickets.hold(), tickets.hold()
    for _turn in range(3):
        hold.get(a_connection("alice"), "http://pc/wsman")
    hold.release()
    other.get(a_connection("bob"), "http://pc/wsman")
    assert kinit.runs == ["alice", "bob"], "nobody is left of the first"


def test_a_wrong_password_is_tried_once_and_told_by_every_host_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    kinit = Kinit(monkeypatch, "alice")
    tickets = SharedTickets()
    for number in range(5):
        hold = tickets.hold()
        with pytest.raises(CimAuthenticationError) as caught:
            hold.get(a_connection("alice"), f"http://pc{number}/wsman")
        assert str(caught.value) == f"http://pc{number}/wsman: The password of alice is wrong."
        hold.release()
    tickets.hold().get(a_connection("bob"), "http://pc/wsman")
    assert kinit.runs == ["alice", "bob"]


def test_the_account_is_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    Kinit(monkeypatch)
    tickets = SharedTickets()
    hold = tickets.hold()
    hold.get(a_connection("alice"), "http://pc/wsman")
    assert "secret" not in f"{tickets!r} {hold!r}"
