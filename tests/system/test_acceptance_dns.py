# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KMS hosts that publish themselves (publish_dns_method self); the other method is tested with the playbook site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play, brief, kinds
from kmslab.control import Lab

pytestmark = pytest.mark.estate("hosts_publish")

QUICK = {"publish_dns_retries": 1, "publish_dns_delay": 0}


def published(lab: Lab, zone: str) -> list[str]:
    """The SRV records of a zone, as `priority weight port target.`."""
    return sorted(record["data"] for record in lab.zone(zone) if record["type"] == "SRV")


def test_hosts_publish_themselves(lab: Lab, play: Play, connection: str) -> None:
    foretold = play("winops.kms.site", connection=connection, check=True)
    assert kinds(lab.requests()).keys() == {"read"}
    assert published(lab, "corp.example") == published(lab, "ad.example") == []

    run = play("winops.kms.site", connection=connection)
    assert run.changes() == foretold.changes()
    assert published(lab, "corp.example") == ["0 0 1688 kms1.corp.example.", "0 0 1688 kms2.corp.example."]
    assert published(lab, "ad.example") == ["0 0 1688 ad1.ad.example."]
    for host in ("kms1", "kms2", "ad1"):
        assert lab.machine(host)["host"]["dns_publishing"] is True
        assert run.result(host, "Wait until every DNS server answers as wanted")["results"][0]["changed"] is False
    assert {name: lab.machine(name)["status"] for name in ("pc1", "pc2")} == {"pc1": "licensed", "pc2": "licensed"}
    assert lab.machine("pc2")["kms_host"] == "ad1"

    lab.clear_requests()
    again = play("winops.kms.site", connection=connection)
    assert again.changed_hosts == []
    assert kinds(lab.requests()).keys() == {"read"}, brief([one for one in lab.requests() if one["kind"] != "read"])


def test_domains_of_a_host(lab: Lab, play: Play) -> None:
    domains = [{"domain": "corp.example", "priority": 5, "weight": 7}]
    play("winops.kms.install_kms_host", limit="kms2")
    assert published(lab, "corp.example") == ["0 0 1688 kms2.corp.example."]

    run = play("winops.kms.publish_dns", limit="kms2", extra_vars={"publish_dns_publish_domains": domains, **QUICK})
    assert run.changes() == {"kms2": {"publish_domains": ([], ["corp.example, 5, 7"])}}
    assert published(lab, "corp.example") == ["5 7 1688 kms2.corp.example."]


def test_a_host_that_does_not_get_into_dns(lab: Lab, play: Play, tmp_path: Path) -> None:
    """In ad.example the host that came first owns the record; and a zone that can't be read is another trouble."""
    server: dict[str, Any] = {"publish_dns_server": "127.0.0.1", "publish_dns_server_port": lab.info["dns_port"]}
    refused = {"kms_host_pattern": "ad2", **server, **QUICK}
    play("winops.kms.install_kms_host", limit="ad1")
    play("winops.kms.install_kms_host", extra_vars=refused)

    run = play("winops.kms.publish_dns", extra_vars=refused, expect="failed")
    assert [event for event in lab.machine("ad2")["events"] if event["event"] == 12293]
    message = run.result("ad2")["msg"]
    assert "ad2.ad.example" in message
    assert "12293" in message
    assert "rfc2136" in message
    assert published(lab, "ad.example") == ["0 0 1688 ad1.ad.example."]

    hidden = tmp_path / "hidden" / "dns"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('hidden by the test')", encoding="utf-8")
    environment = {"PYTHONPATH": str(hidden.parent)}
    run = play("winops.kms.publish_dns", extra_vars=refused, environment=environment, expect="failed")
    message = run.result("ad2")["msg"]
    assert "dnspython" in message
    assert "12293" not in message
