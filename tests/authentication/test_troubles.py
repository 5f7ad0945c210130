# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever keeps somebody from logging on: the host is unreachable, and the message says what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Run

from .matrix import host_variables, run_hosts
from .relay import Relay
from .site import ALICE, DOMAIN_PASSWORD, LOCAL, Site
from .troubles import (
    FOREIGN_AUTHORITY,
    FOREIGN_CERTIFICATE,
    FOREIGN_KEY,
    HTTP_PORT,
    RELAY_PORT,
    TROUBLES,
    WRONG,
    Trouble,
)

TASK = [{"name": "try", "winops.kms.client": {"host_caching": False}, "ignore_unreachable": True}]
#: A log-on that works, by a ticket that the plugin gets with a password.
KINIT = {
    "ansible_connection": "winrm",
    "ansible_winrm_path": "/spare/wsman",
    "ansible_user": ALICE,
    "ansible_password": DOMAIN_PASSWORD,
    "ansible_winrm_transport": "kerberos",
    "ansible_winrm_kinit_env_vars": ["KRB5_CONFIG"],
}
SECRETS = (WRONG, DOMAIN_PASSWORD, LOCAL["ansible_password"])


@pytest.fixture(scope="module")
def relay_files(site: Site) -> Path:
    """Those of the other lab: a certificate for the same name, of which the host knows nothing."""
    return site.lax.directory


@pytest.fixture(scope="module")
def runs(site: Site, relay_files: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], Run]:
    """All of them, by the libraries that are missing: one ansible-playbook run for each such set."""
    folder = tmp_path_factory.mktemp("troubles")
    done: dict[tuple[str, ...], Run] = {}
    with Relay(relay_files, site.strict.info["https_port"]) as relay:
        for number, libraries in enumerate(dict.fromkeys(trouble.libraries for trouble in TROUBLES)):
            chosen = [trouble for trouble in TROUBLES if trouble.libraries == libraries]
            hosts = {trouble.machine: _variables(site, trouble, relay) for trouble in chosen}
            environment = {"PYTHONPATH": _without(libraries, folder / f"shadow-{number}")} if libraries else {}
            done[libraries] = run_hosts(site, folder / f"runs-{number}", hosts, TASK, environment=environment)
    return done


def _variables(site: Site, trouble: Trouble, relay: Relay) -> dict[str, Any]:
    found = host_variables(
        site, lax=False, path=trouble.machine, scheme=trouble.scheme, variables=trouble.all_variables
    )
    stand_ins = {
        FOREIGN_CERTIFICATE: str(site.lax.directory / "client.pem"),
        FOREIGN_KEY: str(site.lax.directory / "client.key"),
        FOREIGN_AUTHORITY: site.lax.info["ca_file"],
        HTTP_PORT: site.strict.info["http_port"],
        RELAY_PORT: relay.port,
    }
    if found["ansible_port"] == RELAY_PORT:
        found |= {"ansible_winrm_ca_trust_path": FOREIGN_AUTHORITY, "ansible_psrp_ca_cert": FOREIGN_AUTHORITY}
    return {name: stand_ins.get(value, value) if isinstance(value, str) else value for name, value in found.items()}


def _without(libraries: Sequence[str], folder: Path) -> str:
    """A folder for PYTHONPATH that hides these packages as if they were not installed."""
    for name in libraries:
        (folder / name).mkdir(parents=True)
        text = f"raise ModuleNotFoundError(\"No module named '{name}'\", name={name!r})\n"
        (folder / name / "__init__.py").write_text(text, encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda one: f"{one.name} [{one.plugin}]")
def test_says_what_to_do(site: Site, runs: dict[tuple[str, ...], Run], trouble: Trouble) -> None:
    result = runs[trouble.libraries].result(trouble.machine, "try")
    message = str(result.get("msg"))
    assert result.get("unreachable"), message
    assert f"/{trouble.machine}/wsman: " in message, "where"
    for words in trouble.says:
        assert words in message
    assert "Traceback" not in message
    assert site.strict.requests(trouble.machine) == []


def test_no_run_prints_a_traceback_or_a_secret(runs: dict[tuple[str, ...], Run]) -> None:
    for run in runs.values():
        assert "Traceback" not in run.output
        for secret in SECRETS:
            assert secret not in run.output


def test_the_relay_itself_lets_everything_through(site: Site, relay_files: Path, tmp_path: Path) -> None:
    """Basic, which is bound to nothing, works by it: so the binding is what the others fail by."""
    with Relay(relay_files, site.strict.info["https_port"]) as relay:
        hosts = {
            "spare": {
                "ansible_connection": "winrm",
                "ansible_host": "localhost",
                "ansible_port": relay.port,
                "ansible_winrm_path": "/spare/wsman",
                "ansible_winrm_transport": "basic",
                "ansible_winrm_scheme": "https",
                "ansible_winrm_ca_trust_path": site.lax.info["ca_file"],
                **LOCAL,
            }
        }
        run = run_hosts(site, tmp_path, hosts, TASK)
    assert run.changed("spare"), run.output


def test_the_most_verbose_output_and_what_is_left_behind_hold_no_secret(site: Site, tmp_path: Path) -> None:
    hosts = {
        trouble.machine: host_variables(
            site, lax=False, path=trouble.machine, scheme=trouble.scheme, variables=trouble.all_variables
        )
        for trouble in TROUBLES
        if trouble.name.startswith("wrong password")
    }
    hosts["spare"] = {**next(iter(hosts.values())), **KINIT}
    run = run_hosts(site, tmp_path, hosts, TASK, verbosity=5)
    assert {run.outcome(name) for name in hosts} == {"ok"}, "the last one works; the others' failures are ignored"
    assert not run.result("spare").get("unreachable"), run.result("spare")
    texts = {"output": run.output, **{str(path): text for path, text in run.left_behind()}}
    leaks = [(name, secret) for name, text in texts.items() for secret in SECRETS if secret in text]
    assert not leaks
