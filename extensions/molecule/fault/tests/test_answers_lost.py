# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers to calls that cost something were lost; nothing was called twice, and all is well."""

from __future__ import annotations

import pytest

from ansible_collections.winops.kms.extensions.molecule.conftest import FindKmsHosts, ReadKey
from kmslab.control import Exchange, Lab

LOST = {("kms1", "InstallProductKey"), ("kms1", "Activate"), ("pc2", "InstallProductKey"), ("pc2", "Activate")}


def test_the_answers_were_lost(recorded: list[Exchange]) -> None:
    assert {(one["machine"], one["method"]) for one in recorded if one["status"] == 0} == LOST


def test_no_call_was_sent_twice(recorded: list[Exchange]) -> None:
    calls = [(one["machine"], one["method"]) for one in recorded]
    assert {call: calls.count(call) for call in LOST} == dict.fromkeys(LOST, 1)


@pytest.mark.parametrize(("machine", "spent"), [("kms1", 1), ("pc2", 0)])
def test_one_key_one_activation(lab: Lab, machine: str, spent: int) -> None:
    counters = lab.machine(machine)["counters"]
    assert (counters["key_installs"], counters["activation_attempts"]) == (1, 1)
    assert counters["activations_spent"] == spent, "a client's activation is not counted"


@pytest.mark.parametrize(("machine", "key"), [("kms1", "HK222"), ("pc1", "2YT43"), ("pc2", "T83GX")])
def test_the_machine_is_activated(windows_key: ReadKey, machine: str, key: str) -> None:
    product = windows_key(machine)
    assert (product["PartialProductKey"], product["LicenseStatus"]) == (key, "1")


def test_the_record_is_there(kms_hosts_in_dns: FindKmsHosts) -> None:
    assert kms_hosts_in_dns("corp.example") == ["0 0 1688 kms1.corp.example."]
