# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""discovery_info in a playbook: before a KMS host is published, after it, and as a check that fails a play."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.winops.kms.tests.system.harness import Play
from kmslab.control import Lab

pytestmark = pytest.mark.estate("demo")

# Nobody listens for the simulated hosts, so that only DNS is looked at.
TASKS = """
- name: look
  winops.kms.discovery_info: &look
    domains: [corp.example]
    server: "{{ lab_dns_server }}"
    server_port: "{{ lab_dns_port }}"
    expected_hosts: [kms1.corp.example]
    probe: none
  delegate_to: localhost
  register: found

- name: publish a host that is expected and one that is not
  winops.kms.srv_record:
    zone: corp.example
    records:
      - {target: kms1.corp.example}
      - {target: kms2.corp.example, priority: 10}
    server: "{{ lab_dns_server }}"
    server_port: "{{ lab_dns_port }}"
    tsig_key_name: "{{ lab_tsig_key_name }}"
    tsig_key_secret: "{{ lab_tsig_key_secret }}"
  delegate_to: localhost

- name: look again
  winops.kms.discovery_info:
    <<: *look
  delegate_to: localhost

- name: insist
  winops.kms.discovery_info:
    <<: *look
    domains: [corp.example, elsewhere.example]
  delegate_to: localhost
  register: found
  failed_when: found.worst == 'error'
"""


def test_findings_before_and_after_a_host_is_published(lab: Lab, play: Play) -> None:
    run = play(yaml.safe_load(TASKS), hosts="kms1", expect="failed")
    first, second, last = (run.result("kms1", name) for name in ("look", "look again", "insist"))

    assert first["worst"] == "error"
    assert {"expected_host_missing"} <= {finding["code"] for finding in first["findings"]}
    assert all(finding["remedy"] for finding in first["findings"])

    (domain,) = second["domains"]
    assert [record["target"] for record in domain["records"]] == ["kms1.corp.example", "kms2.corp.example"]
    assert [record["expected"] for record in domain["records"]] == [True, False]
    assert second["worst"] == "warning"
    (unexpected,) = [finding for finding in second["findings"] if finding["code"] == "unexpected_record"]
    assert unexpected["target"] == "kms2.corp.example"

    assert run.outcome("kms1") == "failed" and last["worst"] == "error"
    assert not any(run.result("kms1", name)["changed"] for name in ("look", "look again", "insist"))
    assert lab.requests() == [], "no Windows machine has to be asked"
