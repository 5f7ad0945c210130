# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret that is given to a module or role is printed, logged, returned or left in a file, whatever happens."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play, Run
from kmslab.control import Lab

pytestmark = pytest.mark.estate("secrets")

HOST_KEY = "BCDFG-HJKMP-QRTVW-XY234-HKX26"
MAK = "MPQRT-VWXY2-34678-9BCDF-MKX26"
BLOCKED_MAK = "98764-32YXW-VTRQP-MKJHG-MKX27"
TSIG_SECRET = "bGFiIG9ubHk6IHRoaXMgaXMgbm90IGEgc2VjcmV0ISE="
WRONG_TSIG_SECRET = "YW5vdGhlciBzZWNyZXQgdGhhdCBpcyBub3QgcmlnaHQh"
PASSWORD = "Lab-only-1"

DNS = {
    "zone": "corp.example",
    "server": "{{ lab_dns_server }}",
    "server_port": "{{ lab_dns_port }}",
    "tsig_key_name": "winops-kms.",
    "tsig_key_secret": "{{ tsig_secret }}",
}
VARIABLES = {
    "host_key": HOST_KEY,
    "mak": MAK,
    "blocked_mak": BLOCKED_MAK,
    "tsig_secret": TSIG_SECRET,
    "wrong_tsig_secret": WRONG_TSIG_SECRET,
    "install_kms_host_key": HOST_KEY,
    "publish_dns_method": "rfc2136",
    **{f"publish_dns_{name}": value for name, value in DNS.items()},
}
USE = [
    {"hosts": "kms1", "roles": ["winops.kms.install_kms_host", "winops.kms.publish_dns"]},
    {
        "hosts": "kms2",
        "tasks": [
            {"winops.kms.host": {"key": "{{ host_key | lower }}", "activate": True}},
            {"winops.kms.srv_record": {"target": "kms2.corp.example", **DNS}, "delegate_to": "localhost"},
        ],
    },
    {"hosts": "pc1", "tasks": [{"winops.kms.product_key": {"key": "{{ mak }}", "key_channel": "mak"}}]},
    {
        "hosts": "pc2",
        "tasks": [{"winops.kms.client": {"key": " {{ mak }} ", "key_channel": "mak", "activate": True}}],
    },
    {
        "hosts": "pc3",
        "roles": ["winops.kms.point_clients"],
        "vars": {"point_clients_key": "{{ mak }}", "point_clients_key_channel": "mak"},
    },
]


def failing(name: str, module: str, options: dict[str, Any], **task: Any) -> dict[str, Any]:
    return {"name": name, f"winops.kms.{module}": options, "ignore_errors": True, **task}


MISUSE = [
    failing("malformed", "product_key", {"key": "{{ host_key[:-1] }}"}),
    failing("all of it in one", "product_key", {"key": "{{ host_key | replace('-', '') }}"}),
    failing("a list", "product_key", {"key": ["{{ host_key }}", "{{ mak }}"]}),
    failing("a mapping", "host", {"key": {"{{ host_key }}": "{{ mak }}"}}),
    failing("a host key on a client", "client", {"key": "{{ host_key }}"}),
    failing("a MAK without saying so", "client", {"key": "{{ mak }}"}),
    failing("a key and gvlk", "client", {"key": "{{ mak }}", "gvlk": True}),
    failing("an option that does not exist", "product_key", {"key": "{{ mak }}", "kee": 1}),
    failing("a wrong choice", "product_key", {"key": "{{ mak }}", "key_channel": "oem"}),
    failing("a key that Windows refuses", "product_key", {"key": "{{ host_key | replace('B', 'C') }}"}),
    failing(
        "a key that Microsoft has blocked",
        "client",
        {"key": "{{ blocked_mak }}", "key_channel": "mak", "activate": True},
    ),
    failing(
        "a wrong TSIG secret",
        "srv_record",
        {"target": "kms2.corp.example", **DNS, "port": 1700, "tsig_key_secret": "{{ wrong_tsig_secret }}"},
        delegate_to="localhost",
    ),
    failing(
        "a TSIG secret that is none",
        "srv_record",
        {"target": "kms2.corp.example", **DNS, "port": 1700, "tsig_key_secret": "!{{ tsig_secret }}"},
        delegate_to="localhost",
    ),
    failing(
        "a DNS option that does not exist",
        "srv_record",
        {"target": "kms2.corp.example", **DNS, "prt": 1700},
        delegate_to="localhost",
    ),
]


def on(host: str, role: str, **variables: Any) -> dict[str, Any]:
    return {
        "ansible.builtin.include_role": {"name": f"winops.kms.{role}"},
        "vars": variables,
        "when": f"inventory_hostname == '{host}'",
    }


ROLE_MISUSE = [
    on("kms1", "install_kms_host", install_kms_host_port="many"),
    on("kms2", "publish_dns", publish_dns_tsig_algorithm="{{ tsig_secret }}"),
    on("pc1", "point_clients", point_clients_key="{{ mak }}", point_clients_key_channel="oem"),
    on("pc2", "point_clients", point_clients_key=["{{ mak }}"]),
    on("pc3", "point_clients", point_clients_key="{{ host_key }}"),
    {"winops.kms.product_key": {"key": "{{ mak }}"}, "when": "inventory_hostname == 'dark'"},
]


def spellings() -> Iterator[str]:
    """What must not be seen of the secrets: any group of a key but the last one, the others as a whole."""
    for key in (HOST_KEY, MAK, BLOCKED_MAK):
        yield from key.split("-")[:-1]
        yield key.replace("-", "")
    for secret in (TSIG_SECRET, WRONG_TSIG_SECRET):
        yield secret.rstrip("=")
        yield base64.b64decode(secret).decode()
    yield PASSWORD
    yield base64.b64encode(f"Administrator:{PASSWORD}".encode()).decode().rstrip("=")


def leaks(run: Run, log: Path) -> list[str]:
    """Where which part of a secret was seen."""
    texts = {"stdout": run.stdout, "stderr": run.stderr, str(log): log.read_text(encoding="utf-8")}
    texts |= {str(path): text for path, text in run.left_behind()}
    assert any(name.endswith("results.jsonl") for name in texts)
    return [
        f"{spelling} in {name}: ...{text[max(0, place - 300) : place + 100]}"
        for name, text in texts.items()
        for spelling in spellings()
        if (place := text.lower().find(spelling.lower())) >= 0
    ]


def test_secrets_stay_secret(lab: Lab, play: Play, connection: str, tmp_path: Path) -> None:
    log = tmp_path / "ansible.log"
    settings: dict[str, Any] = {
        "connection": connection,
        "diff": True,
        "verbosity": 5,
        "extra_vars": VARIABLES,
        "environment": {"ANSIBLE_LOG_PATH": str(log)},
    }
    checked = play(USE, check=True, **settings)
    assert leaks(checked, log) == []

    run = play(USE, **settings)
    assert leaks(run, log) == []
    assert run.changed_hosts == ["kms1", "kms2", "pc1", "pc2", "pc3"]
    assert [lab.machine(name)["partial_product_key"] for name in run.changed_hosts] == ["HKX26"] * 2 + ["MKX26"] * 3
    # The last five characters are there to see.
    assert "*****-HKX26" in run.stdout
    assert "*****-MKX26" in run.stdout

    failed = play(MISUSE, hosts="pc4", **settings)
    assert [event.task for event in failed.events if event.event != "ignored"] == []
    assert leaks(failed, log) == []
    blocked = failed.result("pc4", "a key that Microsoft has blocked")
    assert blocked["error"]["code"] == "0xC004C003"

    hosts = ("kms1", "kms2", "pc1", "pc2", "pc3", "dark")
    refused = play(ROLE_MISUSE, hosts=",".join(hosts), expect=None, **settings)
    outcomes = {host: refused.outcome(host) for host in refused.recap}
    assert outcomes == dict.fromkeys(hosts, "failed") | {"dark": "unreachable"}
    assert leaks(refused, log) == []


def test_the_search_would_find_a_secret(play: Play, tmp_path: Path) -> None:
    log = tmp_path / "ansible.log"
    run = play(
        [{"ansible.builtin.debug": {"msg": "{{ mak }}"}}],
        hosts="pc1",
        extra_vars=VARIABLES,
        environment={"ANSIBLE_LOG_PATH": str(log)},
    )
    found = "\n".join(leaks(run, log))
    for place in ("stdout", str(log), "results.jsonl"):
        assert f"{place}: " in found
