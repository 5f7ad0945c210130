# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credential types: what AWX takes, and what those of the data set give to a job."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from .standin import data_set
from .standin.credential_types import CredentialTypeError, check_credential, check_injectors, check_inputs, inject

TYPES = data_set.credential_types()
FIELD = {"id": "key", "label": "Key", "type": "string"}
INPUTS = {"fields": [FIELD]}
KEYS = [f"{letter * 5}-BCDFG-HJKMP-QRTVW-XY234" for letter in "BCDFG"]


@pytest.mark.parametrize("name", TYPES)
def test_awx_takes_the_type_and_keeps_it_as_it_is(name: str) -> None:
    kind = TYPES[name]
    assert check_inputs(kind["inputs"]) == kind["inputs"]
    check_injectors(kind["injectors"], kind["inputs"])


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"fields": [], "odd": 1}, "Additional properties"),
        ({"fields": {}}, "no list"),
        ({"fields": [], "required": "key"}, "no list of names"),
        ({"fields": [{"id": "key"}]}, "no label"),
        ({"fields": [{"label": "Key"}]}, "no id"),
        ({"fields": [FIELD | {"odd": 1}]}, "Additional properties"),
        ({"fields": [FIELD | {"id": "a-b"}]}, "invalid variable name"),
        ({"fields": [FIELD | {"id": "tower"}]}, "reserved"),
        ({"fields": [FIELD, FIELD]}, "unique"),
        ({"fields": [FIELD | {"type": "integer"}]}, "not one of"),
        ({"fields": [FIELD | {"secret": "yes"}]}, "no bool"),
        ({"fields": [FIELD | {"format": "password"}]}, "not one of"),
        ({"fields": [FIELD | {"choices": []}]}, "choices"),
        ({"fields": [FIELD | {"choices": ["a", "a"]}]}, "unique"),
        ({"fields": [FIELD | {"default": True}]}, "not a string"),
        ({"fields": [FIELD | {"type": "boolean", "secret": True}]}, "not allowed for boolean"),
    ],
)
def test_broken_inputs_are_refused(inputs: Any, words: str) -> None:
    with pytest.raises(CredentialTypeError, match=words):
        check_inputs(inputs)


@pytest.mark.parametrize(
    ("injectors", "words"),
    [
        ({"vars": {}}, "Additional properties"),
        ({"env": {"ANSIBLE_CONFIG": "x"}}, "not allowed"),
        ({"env": {"a-b": "x"}}, "not allowed"),
        ({"extra_vars": {"a-b": "x"}}, "no name of a variable"),
        ({"extra_vars": {"flag": True}}, "no text"),
        ({"extra_vars": {"a": "{{ other }}"}}, "undefined field"),
        ({"extra_vars": {"a": "{{ key"}}, "no template"),
        ({"extra_vars": {"a": "{{ tower.filename.key }}"}}, "undefined field"),
        ({"file": {"keytab": "x"}}, "no name of a file template"),
        ({"file": {"template": "x", "template.a": "x"}}, "multi-file syntax"),
        ({"file": {"template.a": "{{ other }}"}}, "undefined field"),
    ],
)
def test_broken_injectors_are_refused(injectors: Any, words: str) -> None:
    with pytest.raises(CredentialTypeError, match=words):
        check_injectors(injectors, INPUTS)


def test_a_list_and_a_file_are_allowed() -> None:
    check_injectors({"file": {"template.a": "{{ key }}"}, "extra_vars": {"a": ["{{ tower.filename.a }}"]}}, INPUTS)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [({}, "required fields are missing: key"), ({"odd": "x"}, "Additional"), ({"key": 1}, "no string")],
)
def test_credentials_that_are_refused(inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(CredentialTypeError, match=words):
        check_credential(inputs, TYPES["KMS host key"])


def test_the_key_alone(tmp_path: Path) -> None:
    given = inject(TYPES["KMS host key"], {"key": KEYS[0]}, tmp_path).extra_vars
    assert given["install_kms_host_key"] == KEYS[0]
    assert given["install_kms_host_office_keys"].split() == []


def test_keys_for_office_without_a_gap(tmp_path: Path) -> None:
    inputs = {"key": KEYS[0], "office_key_2016": KEYS[1], "office_key_2019": "", "office_key_2024": KEYS[4]}
    given = inject(TYPES["KMS host key"], inputs, tmp_path).extra_vars
    assert given["install_kms_host_office_keys"].split() == [KEYS[1], KEYS[4]]


def test_a_multiple_activation_key(tmp_path: Path) -> None:
    given = inject(TYPES["multiple activation key"], {"key": KEYS[0]}, tmp_path).extra_vars
    assert given == {"point_clients_key": KEYS[0], "point_clients_key_channel": "mak"}


def test_a_key_for_dns_updates(tmp_path: Path) -> None:
    inputs = {"name": "kms-key.", "secret": "c2VjcmV0", "algorithm": "hmac-sha512"}
    assert inject(TYPES["DNS key (TSIG)"], inputs, tmp_path).extra_vars == {
        "publish_dns_tsig_key_name": "kms-key.",
        "publish_dns_tsig_key_secret": "c2VjcmV0",
        "publish_dns_tsig_algorithm": "hmac-sha512",
    }


def test_a_password_for_dns_updates(tmp_path: Path) -> None:
    inputs = {"principal": "kms@EXAMPLE.COM", "password": "not a real one"}
    assert inject(TYPES["DNS account (password)"], inputs, tmp_path).extra_vars == {
        "publish_dns_gss_tsig": "true",
        "publish_dns_gss_principal": "kms@EXAMPLE.COM",
        "publish_dns_gss_password": "not a real one",
        "publish_dns_gss_hostname": "",
    }


def test_a_keytab_is_a_file_with_its_base64(tmp_path: Path) -> None:
    keytab = base64.encodebytes(bytes([5, 2, 0, 255]) * 40).decode()
    given = inject(TYPES["DNS account (keytab)"], {"keytab": keytab}, tmp_path)
    assert Path(given.extra_vars["publish_dns_gss_keytab"]).read_text(encoding="ascii").split() == keytab.split()
    assert given.extra_vars["publish_dns_gss_tsig"] == "true"
    assert keytab.split()[0] not in str(given.extra_vars)
