# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ad_activation_info and ad_activation_object with a directory of the test: options, results, documentation."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic

from ansible_collections.winops.kms.plugins.doc_fragments._directory import ModuleDocFragment
from ansible_collections.winops.kms.plugins.module_utils._directory import library
from ansible_collections.winops.kms.plugins.module_utils._directory.connection import Access
from ansible_collections.winops.kms.plugins.module_utils._directory.errors import LogonError
from ansible_collections.winops.kms.plugins.module_utils._directory.objects import ActivationObject
from ansible_collections.winops.kms.plugins.modules import ad_activation_info, ad_activation_object

SHARED = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)
MODULES: dict[str, ModuleType] = {
    "ad_activation_info": ad_activation_info,
    "ad_activation_object": ad_activation_object,
}
ONE = ActivationObject("CN=1,CN=x", "1", "Contoso", "HK222", "pid-1", "sku-1", "2026-03-02T08:00:00Z")
TWO = ActivationObject("CN=2,CN=x", "2", None, "HK239", None, None)
SECRET = "Passw0rd.secret"


class FakeDirectory:
    objects_there: tuple[ActivationObject, ...] = (ONE, TWO)
    deleted: list[str] = []
    asked: list[Access] = []

    def __init__(self, access: Access) -> None:
        self.asked.append(access)

    def objects(self) -> tuple[ActivationObject, ...]:
        return self.objects_there

    def delete(self, target: ActivationObject) -> None:
        self.deleted.append(target.dn)


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in MODULES.values():
        monkeypatch.setattr(module, "Directory", FakeDirectory)
    monkeypatch.setattr(FakeDirectory, "deleted", [])
    monkeypatch.setattr(FakeDirectory, "asked", [])


def run(module: ModuleType, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    given = {"ldap_server": "dc1.lab.test", **options}
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        # As ansible.module_utils.testing does, which older releases of ansible-core do not have.
        patch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode())
        patch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        module.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@pytest.mark.parametrize("name", MODULES)
def test_the_documentation_is_that_of_the_code(name: str) -> None:
    module = MODULES[name]
    documented = {**yaml.safe_load(module.DOCUMENTATION)["options"], **SHARED["options"]}
    assert documented.keys() == module.ARGUMENTS.keys()
    for option, described in documented.items():
        for field in ("type", "elements", "default", "required", "choices"):
            assert described.get(field) == module.ARGUMENTS[option].get(field), f"{option}: {field}"
    assert library.REQUIREMENT in SHARED["requirements"][0]
    for task in yaml.safe_load(module.EXAMPLES):
        assert task[f"winops.kms.{name}"].keys() <= module.ARGUMENTS.keys()


@pytest.mark.parametrize(
    ("name", "value"), [("ad_activation_info", "activation_objects"), ("ad_activation_object", "activation_object")]
)
def test_the_documented_result_is_that_of_the_code(name: str, value: str) -> None:
    assert yaml.safe_load(MODULES[name].RETURN)[value]["contains"].keys() == ONE.as_result().keys()


def test_all_objects(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(ad_activation_info, capsys, ldap_user="u", ldap_password=SECRET, ldap_timeout=3)
    assert result["activation_objects"] == [ONE.as_result(), TWO.as_result()]
    assert (result["changed"], result["msg"]) == (False, "2 activation objects")
    (access,) = FakeDirectory.asked
    assert (access.servers, access.timeout, access.account.label) == (("dc1.lab.test",), 3, "the account u")


@pytest.mark.parametrize(("name", "found"), [("contoso", [ONE]), ("2", [TWO]), ("nothing", [])])
def test_one_object(capsys: pytest.CaptureFixture[str], name: str, found: list[ActivationObject]) -> None:
    result = run(ad_activation_info, capsys, name=name)
    assert result["activation_objects"] == [item.as_result() for item in found]


def test_deleting(capsys: pytest.CaptureFixture[str]) -> None:
    predicted = run(ad_activation_object, capsys, name="contoso", _ansible_check_mode=True)
    assert FakeDirectory.deleted == []
    done = run(ad_activation_object, capsys, name="contoso")
    assert FakeDirectory.deleted == ["CN=1,CN=x"]
    for result in (predicted, done):
        assert (result["changed"], result["activation_object"]) == (True, ONE.as_result())
        assert result["diff"]["before"] == "Contoso (key HK222, CN=1,CN=x)\n" and result["diff"]["after"] == ""


def test_nothing_to_delete(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(ad_activation_object, capsys, name="CN=3,CN=x")
    assert (result["changed"], result["activation_object"], FakeDirectory.deleted) == (False, None, [])


def test_several_objects_of_a_name(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    double = ActivationObject("CN=3,CN=x", "3", "CONTOSO", "HK222", None, None)
    monkeypatch.setattr(FakeDirectory, "objects_there", (ONE, double))
    result = run(ad_activation_object, capsys, name="Contoso")
    assert result["failed"] and result["error"]["name"] == "SEVERAL_OBJECTS"
    assert "CN=1,CN=x" in result["msg"] and "CN=3,CN=x" in result["msg"]
    assert FakeDirectory.deleted == []


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize(
    ("options", "option"),
    [({"ldap_server": []}, "ldap_server"), ({"ldap_user": "u"}, "ldap_password"), ({"ldap_port": 70000}, "ldap_port")],
)
def test_options_that_cannot_be_right(
    capsys: pytest.CaptureFixture[str], name: str, options: dict[str, Any], option: str
) -> None:
    result = run(MODULES[name], capsys, **{"name": "x", **options})
    assert result["failed"] and result["error"]["name"] == "INVALID_OPTION"
    assert f"Option {option}: " in result["msg"]
    assert FakeDirectory.asked == []


@pytest.mark.parametrize("name", MODULES)
def test_an_error_of_the_directory(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def objects(_self: FakeDirectory) -> None:
        raise LogonError("INVALID_CREDENTIALS", "the server says no.", "Check it.", code=49)

    monkeypatch.setattr(FakeDirectory, "objects", objects)
    result = run(MODULES[name], capsys, name="x", ldap_user="u", ldap_password=SECRET)
    assert result["failed"] and result["msg"] == "The server says no. Check it."
    assert result["error"] == {
        "code": "49",
        "name": "INVALID_CREDENTIALS",
        "message": "The server says no.",
        "remedy": "Check it.",
    }


@pytest.mark.parametrize("name", MODULES)
def test_a_missing_library(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(library, "problem", lambda: "Traceback")
    result = run(MODULES[name], capsys, name="x")
    assert result["failed"] and "ldap3" in result["msg"]
