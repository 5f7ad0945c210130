# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way to every host of a play, by each host's own connection variables, as the task executor would make it.

What is used of ansible-core that is not public is named in CONTRACT, so that a test can pin it for every release.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError

from .._cim.errors import CimAuthenticationError
from .._fleet.asking import Target
from .connection import open_transport, ticket_account, ticket_by_plugin
from .secrets import Secrets

try:
    from ansible.errors import AnsibleValueOmittedError as ValueOmitted
except ImportError:  # before ansible-core 2.19

    class ValueOmitted(Exception):  # type: ignore[no-redef]
        """Never raised: there, `omit` is a value like any other."""


#: Where -> the members that are used.
CONTRACT = {
    "HostVars": ("_inventory", "_variable_manager"),
    "VariableManager.get_vars": ("play", "host", "task", "_hosts", "_hosts_all"),
    "Templar": ("copy_with_new_env", "template"),
    "ActionBase": ("_play_context", "_shared_loader_obj", "_task", "_templar"),
    "WorkerProcess": ("_play_context",),
}


class FleetConnections:
    """Makes the Target of a host.  Not for several threads: templates are not."""

    def __init__(self, action: Any, task_vars: Mapping[str, Any]) -> None:
        hostvars = task_vars["hostvars"]
        self._variables = hostvars._variable_manager
        self._inventory = hostvars._inventory
        self._action = action
        self._tickets = SharedTickets()
        self._play = action._task.get_play()
        keywords = action._task.dump_attrs()
        # As the task executor does.
        for name in ("retries", "timeout"):
            keywords.pop(name, None)
        self._keywords = keywords
        # What comes from the command line.  The action's own context has the first host's variables in it: its password
        # is none of the other hosts' business.
        self._context = getattr(multiprocessing.current_process(), "_play_context", None)

    def target(self, host: str) -> Target:
        """Raises whatever the variables of the host and the connection plugin make it raise."""
        connection = self.connection(host)
        hold = self._tickets.hold()
        transport = open_transport(connection, get_ticket=hold.get)
        prepare = None
        if getattr(connection, "_kerb_managed", False) and connection._winrm_transport == ["kerberos"]:
            prepare = partial(hold.get, connection, transport.endpoint)
        return Target(host, transport, prepare=prepare, release=hold.release)

    def connection(self, host: str) -> Any:
        """The connection plugin of a host, with its options."""
        variables = self._variables.get_vars(
            play=self._play,
            host=self._inventory.get_host(host),
            task=self._action._task,
            # Else each call makes lists of all hosts of the play.
            _hosts=[host],
            _hosts_all=[host],
        )
        templar = self._action._templar.copy_with_new_env(available_variables=variables)
        name = self._action._task.connection
        if "ansible_connection" in variables:
            name = templar.template(variables["ansible_connection"])
        connection = self._action._shared_loader_obj.connection_loader.get(
            name, self._action._play_context, new_stdin=None, task_uuid=self._action._task._uuid
        )
        if connection is None:
            raise AnsibleError(f"there is no connection plugin {name!r}")
        keywords = {**self._keywords, **self._context_keywords(variables, templar)}
        options = _option_variables(connection, variables, templar)
        try:
            connection.set_options(task_keys=keywords, var_options=options)
        except AnsibleError as error:
            # It quotes the value that is of a wrong type.
            secrets = Secrets(text for name, value in options.items() if "pass" in name for text in _texts(value))
            raise AnsibleError(secrets.hide(str(error))) from None
        return connection

    def _context_keywords(self, variables: Mapping[str, Any], templar: Any) -> dict[str, Any]:
        """What the task executor has in its context for a host: its variables, else the command line."""
        found: dict[str, Any] = {}
        for name in ("timeout", "password"):
            own = [variable for variable in C.MAGIC_VARIABLE_MAPPING[name] if variable in variables][:1]
            value = getattr(self._context, name, None)
            if own:
                value = _templated(own, variables, templar).get(own[0])
            if value:
                found[name] = value
        return found


def _option_variables(connection: Any, variables: Mapping[str, Any], templar: Any) -> dict[str, Any]:
    """The values of the variables that the options of this plugin are taken from."""
    names = [name for name in C.config.get_plugin_vars("connection", connection._load_name) if name in variables]
    extras: list[str] = []
    if getattr(connection, "allow_extras", False):
        prefix = f"ansible_{connection.extras_prefix}_"
        extras = [name for name in variables if name.startswith(prefix) and name not in names]
    return {
        **_templated(names, variables, templar),
        "_extras": _templated(extras, variables, templar),
    }


def _templated(names: list[str], variables: Mapping[str, Any], templar: Any) -> dict[str, Any]:
    found = {}
    for name in names:
        try:
            found[name] = templar.template(variables[name])
        except ValueOmitted:
            continue
        except AnsibleError as error:
            # Some releases quote the whole template.
            secrets = Secrets(_texts(variables[name]) if "pass" in name else ())
            raise AnsibleError(f"{name}: {secrets.hide(str(error))}") from None
    return found


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts([*value, *value.values()])
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


class SharedTickets:
    """Kerberos tickets that the winrm plugin gets by kinit: one for each account, in place of one for each host.

    The plugin names the ticket's cache in the environment, which is one for the whole process.  So hosts of another
    account wait until those of this one are done.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._account: tuple[str, ...] | None = None
        self._refused: dict[tuple[str, ...], str] = {}
        self._owner: Any = None
        self._users = 0

    def hold(self) -> Hold:
        """For one host."""
        return Hold(self)

    def take(self, connection: Any, endpoint: str) -> None:
        """Have a ticket of the connection's account in the environment until `give_back`."""
        account = ticket_account(connection)
        with self._condition:
            while self._users and self._account != account:
                self._condition.wait()
            if account in self._refused:
                # Thousands of tries with a wrong password would lock the account.
                raise CimAuthenticationError(self._refused[account], endpoint=endpoint)
            if self._account != account:
                self._account = None
                try:
                    ticket_by_plugin(connection, endpoint)
                except CimAuthenticationError as error:
                    self._refused[account] = error.message
                    raise
                self._account = account
                # The file of the ticket goes with the plugin that made it.
                self._owner = connection
            self._users += 1

    def give_back(self, hold: Hold) -> None:
        """The host is done with it, if it had anything."""
        with self._condition:
            if hold.taken:
                hold.taken = False
                self._users -= 1
                self._condition.notify_all()


class Hold:
    """What one host has of the shared tickets."""

    def __init__(self, tickets: SharedTickets) -> None:
        self._tickets = tickets
        self.taken = False

    def get(self, connection: Any, endpoint: str) -> None:
        """See `SharedTickets.take`; a host that logs on again keeps what it has."""
        if not self.taken:
            self._tickets.take(connection, endpoint)
            self.taken = True

    def release(self) -> None:
        """Harmless when nothing was taken."""
        self._tickets.give_back(self)
