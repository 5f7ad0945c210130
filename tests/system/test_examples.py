# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples in the documentation of every module, all run as they stand in one ansible-playbook over the lab.

Each module has a machine of its own.  What can't be run here is run too, and must fail for the reason in a table.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from labsupport.licences import other_file, product_file, token_file

from ansible_collections.winops.kms.tests.system.harness import ROOT, Ansible, Event, Run
from ansible_collections.winops.kms.tests.tools.guide_blocks import replaced
from kmslab.control import Lab

HOST_KEY = "N2222-22222-22222-22222-HK222"
NEW_HOST_KEY = "N2222-22222-22222-22222-HK226"
OFFICE_HOST_KEY = "N2222-22222-22222-22222-HF922"
MAK = "N3333-33333-33333-33333-MK333"
OFFICE_MAK = "N3333-33333-33333-33333-MF922"
TSIG_SECRET = "bGFiIG9ubHk6IHRoaXMgaXMgbm90IGEgc2VjcmV0ISE="

CLIENT: Mapping[str, Any] = {"edition": "Enterprise", "build": 22631, "office": ["ProPlus2021"]}
HOST: Mapping[str, Any] = {
    "edition": "ServerStandard",
    "build": 20348,
    "key": HOST_KEY,
    "licensed": True,
    "sppsvc": "Running",
    "firewall": {"SPPSVC-In-TCP": True},
    "dns_publishing": False,
    "seed_cmids": 60,
    "office_packs": ["2021"],
    "office_keys": [OFFICE_HOST_KEY],
    "office_licensed": True,
    "office_seed_cmids": 10,
}
#: Module -> its machine in the estate, where that is not an ordinary client.
MACHINES: dict[str, Mapping[str, Any]] = {
    "activation": {**CLIENT, "office_media": "volume"},
    "host": {"edition": "ServerStandard", "build": 20348, "office_packs": ["2021"]},
    "host_requests_info": HOST,
    "rearm": {**CLIENT, "cmid": "4d3b3e3a-9d0c-4b0e-8f54-3c1d2a7e5b61", "grace_minutes_left": 1440},
    "token_license": {
        **CLIENT,
        "token_licenses": [{"ilid": "8a5b6a86-1f5c-4a44-9a9e-7d2f6b7f3c11", "ilvid": 1}],
    },
    "ad_activation": {**HOST, "edition": "ServerStandard"},
    "fleet_report": {"edition": "Enterprise", "build": 22631, "licensed": True},
    "windows_srv_record": {"edition": "ServerStandard", "build": 20348},
}


@dataclass(frozen=True)
class Left:
    """Why an example fails here, and what its message says then (a regular expression)."""

    reason: str
    says: str


_LDAP = Left("needs a directory server; tests/directory runs the module on Samba", "(?i)ldap|directory server")
_KERBEROS = Left("needs a Kerberos realm; tests/dns_servers runs the module with two", "Kerberos|gss")
_OTHER_COLLECTION = Left("is a module of another collection", "")
#: (module, name of the example) -> why it fails.
EXCEPTIONS: dict[tuple[str, str], Left] = {
    ("ad_activation", "Activate the forest on a domain controller"): _LDAP,
    (
        "ad_activation",
        "The same, the directory asked by Kerberos with the ticket of the user who runs the playbook",
    ): _LDAP,
    ("ad_activation", "Get the installation ID where nothing reaches the internet"): _LDAP,
    ("ad_activation", "Apply the confirmation ID"): _LDAP,
    ("ad_activation_info", "List the activation objects"): _LDAP,
    ("ad_activation_info", "The same by Kerberos, without a certificate on the domain controllers"): _LDAP,
    ("ad_activation_object", "Delete the activation object of a key that is no longer used"): _LDAP,
    ("discovery_info", "Look for records of hosts that are gone, without asking the hosts"): Left(
        "does what it is for: the record of kms02 is not among the expected ones", "kms02"
    ),
    ("rearm", "Restart those that were rearmed"): _OTHER_COLLECTION,
    ("srv_record", "Publish in a zone of Active Directory, with the account of a keytab"): _KERBEROS,
    ("srv_record", "The same for clients in another domain, with user and password"): _KERBEROS,
}


def examples(module: str) -> list[dict[str, Any]]:
    """The tasks of a module's examples."""
    path = ROOT / "plugins" / "modules" / f"{module}.yml"
    if path.exists():
        text = yaml.safe_load(path.read_text(encoding="utf-8"))["EXAMPLES"]
    else:
        tree = ast.parse(path.with_suffix(".py").read_text(encoding="utf-8"))
        text = next(
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "EXAMPLES"
        )
    found: list[dict[str, Any]] = yaml.safe_load(text)
    return found


MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("[a-z]*.py"))
EXAMPLES = {module: examples(module) for module in MODULES}


def machine(module: str) -> str:
    return module.replace("_", "-")


def estate() -> dict[str, Any]:
    """A machine for each module; kms01, which has counted enough machines; dc1, a Windows DNS server."""
    others = {
        "kms01": {**HOST, "address": "10.9.0.1", "groups": ["kms_hosts"]},
        "dc1": {
            "edition": "ServerStandard",
            "build": 20348,
            "domain_controller": True,
            "dns_server": {"zones": {"contoso.com": {}}},
        },
    }
    machines = {**{machine(name): MACHINES.get(name, CLIENT) for name in MODULES}, **others}
    return {
        "name": "examples",
        "clock": "now",
        "domain": "contoso.com",
        "keys": [
            {"key": HOST_KEY, "channel": "csvlk", "group": "ws2025"},
            {"key": NEW_HOST_KEY, "channel": "csvlk", "group": "ws2025"},
            {"key": OFFICE_HOST_KEY, "channel": "csvlk", "group": "office2021"},
            {"key": MAK, "channel": "mak"},
            {"key": OFFICE_MAK, "channel": "mak", "editions": ["ProPlus2021"]},
        ],
        "tsig_keys": [{"name": "kms-publisher.", "secret": TSIG_SECRET, "algorithm": "hmac-sha256"}],
        "zones": [
            {
                "name": "contoso.com",
                "update": [{"key": "kms-publisher.", "names": ["_vlmcs._tcp"], "types": ["SRV"]}],
                "records": [
                    "_vlmcs._tcp SRV 0 0 1688 kms01.contoso.com.",
                    "_vlmcs._tcp SRV 10 0 1688 kms02.contoso.com.",
                    "kms02 A 10.9.0.2",
                ],
            },
            {"name": "fabrikam.com", "records": ["_vlmcs._tcp SRV 0 0 1688 kms01.contoso.com."]},
            {"name": "corp.example", "records": ["kms01 A 10.9.0.1", "kms-office A 10.9.0.1"]},
            {"name": "licensing.corp.example", "records": ["_vlmcs._tcp SRV 0 0 1688 kms01.corp.example."]},
        ],
        "defaults": {"domain": "contoso.com", "accounts": {"Administrator": {"password": "Lab-only-1"}}},
        "machines": [{"name": name, **fields} for name, fields in machines.items()],
    }


def inventory(lab: Lab) -> dict[str, Any]:
    """The machines by their full names, and by the names that examples use for them."""
    found = yaml.safe_load(lab.inventory.read_text(encoding="utf-8"))["all"]
    hosts = {f"{name}.contoso.com": {**found["vars"], **own} for name, own in found["hosts"].items()}
    hosts["kms01.corp.example"] = hosts["kms01.contoso.com"]
    return {"all": {"hosts": hosts, "children": {"kms_hosts": {"hosts": {"kms01.contoso.com": {}}}}}}


def known(task: Mapping[str, Any]) -> bool:
    return any(word.startswith(("winops.kms.", "ansible.builtin.")) for word in task)


def windows_product(lab: Lab, machine: str) -> str:
    """The activation ID of the Windows that has a key."""
    products = lab.machine(machine)["products"]
    return next(str(one["id"]) for one in products if "Windows" in one["name"] and one["partial_product_key"])


def plays(lab: Lab, folder: Path) -> Iterator[dict[str, Any]]:
    names = {
        "ns1.contoso.com": "127.0.0.1",
        "192.0.2.53": "127.0.0.1",
        "/srv/windows/20348/spp": str(folder / "files"),
        "/srv/windows/20348/oem": str(folder / "files" / "oem"),
        "/srv/licences": str(folder / "files"),
        "/srv/kms": str(folder / "files" / "kms"),
        # Of Enterprise; that of the lab's.
        "73111121-5638-40f6-bc11-f1d7b0d64300": windows_product(lab, "rearm"),
    }
    server = {"server": "127.0.0.1", "server_port": lab.info["dns_port"]}
    for module, tasks in EXAMPLES.items():
        # Those that only look go first: what others do to the machine would be in their way.
        ordered = sorted(filter(known, tasks), key=lambda task: not task.get("check_mode"))
        text = replaced(json.dumps(ordered), names)
        yield {
            "name": module,
            "hosts": f"{machine(module)}.contoso.com",
            "gather_facts": False,
            "module_defaults": {
                "winops.kms.srv_record": server,
                # Nothing listens at the addresses of the lab's machines but WinRM.
                "winops.kms.discovery_info": {**server, "probe": "none"},
                "winops.kms.fleet_report": {"dns_port": lab.info["dns_port"]},
            },
            "tasks": [{**task, "ignore_errors": True, "ignore_unreachable": True} for task in json.loads(text)],
        }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("examples")
    for name in ("tokens", "oem", "licences", "kms/node_exporter"):
        (folder / "files" / name).mkdir(parents=True)
    volume = "licences/Enterprise-Volume-GVLK-1"
    files = {
        f"{volume}-pl-rtm": product_file(),
        f"{volume}-ul-oob-rtm": other_file(),
        "tokens/one": product_file("84a1c3d2-0000-4000-8000-00000000a002"),
        "oem/two": other_file("84a1c3d2-0000-4000-8000-00000000d002"),
        "issuance": token_file(),
    }
    for name, text in files.items():
        (folder / "files" / f"{name}.xrm-ms").write_text(text, encoding="utf-8", newline="")
    (folder / "files" / "installation_ids.csv").write_text(
        "host,product,activation_id,partial_product_key,installation_id,confirmation_id\n", encoding="utf-8"
    )
    path = folder / "estate.json"
    path.write_text(json.dumps(estate()), encoding="utf-8")
    with Lab(path) as lab:
        where = folder / "where.json"
        where.write_text(json.dumps(inventory(lab)), encoding="utf-8")
        playbook = folder / "examples.json"
        playbook.write_text(json.dumps(list(plays(lab, folder)), indent=1), encoding="utf-8")
        variables = {
            "vault_kms_host_key": NEW_HOST_KEY,
            "vault_csvlk": NEW_HOST_KEY,
            "vault_office_2021_kms_host_key": OFFICE_HOST_KEY,
            "vault_windows_mak": MAK,
            "vault_office_mak": OFFICE_MAK,
            "vault_kms_publisher_secret": TSIG_SECRET,
            "vault_kms_publisher_password": "no account",
            "vault_kms_reader_password": "no account",
            "vault_licensing_password": "no account",
            "forest_confirmation_id": "123456" * 8,
        }
        ansible = Ansible(lab, tmp_path_factory.mktemp("run"), inventory=where)
        yield ansible.play(playbook, extra_vars=variables, expect=None)


def test_the_examples_do_what_they_are_named_after(run: Run) -> None:
    """Every example is run; those of the table fail for the reason that it gives, and no other does."""
    outcomes = {(one.play, one.task): one for one in run.events if one.event != "retry"}
    wrong = list(_wrong(outcomes))
    assert not wrong, "\n".join(wrong) + run.output[-2000:]


def _wrong(outcomes: Mapping[tuple[str, str], Event]) -> Iterator[str]:
    for module, tasks in EXAMPLES.items():
        for task in tasks:
            left = EXCEPTIONS.get((module, task["name"]))
            one = outcomes.get((module, task["name"]))
            if not known(task):
                if left is not _OTHER_COLLECTION:
                    yield f"{module}: {task['name']}: not run, and not in the table"
            elif one is None:
                yield f"{module}: {task['name']}: was not run"
            elif one.event in ("ok", "skipped"):
                if left is not None:
                    yield f"{module}: {task['name']}: works, and is in the table of those that don't"
            elif left is None or not re.search(left.says, str(one.result.get("msg"))):
                yield f"{module}: {task['name']}: {one.event}: {one.result.get('msg')}"


def test_the_table_names_examples_that_there_are() -> None:
    names = {(module, task["name"]) for module, tasks in EXAMPLES.items() for task in tasks}
    assert EXCEPTIONS.keys() <= names
    assert len(names) > 60 and len(names) == sum(map(len, EXAMPLES.values())), "each example has a name of its own"
    assert all(any(f"winops.kms.{module}" in task for task in tasks) for module, tasks in EXAMPLES.items())
