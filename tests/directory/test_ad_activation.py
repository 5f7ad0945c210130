# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A forest is activated once: the lab's Windows writes into Samba, the modules read and delete there."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play
from kmslab.control import Lab

from .conftest import HOST_KEY, OLD_HOST_KEY, reading, writing
from .samba import ADMINISTRATOR_PASSWORD, CONTAINER, READER_PASSWORD, SambaDirectory

ONLINE = "DoActiveDirectoryOnlineActivation"
NAME = "Contoso Volumenlizenzen (für alle)"
CONFIRMATION = "123456-" * 7 + "123456"
SERVERS = ("dc1", "dc2")


def activate(directory: SambaDirectory, task: str = "activate", /, **options: Any) -> dict[str, Any]:
    """A task; without other options, with the key and name of these tests."""
    return {
        "name": task,
        "winops.kms.ad_activation": {"key": HOST_KEY, "name": NAME, **reading(directory), **options},
    }


def info(directory: SambaDirectory, task: str = "info", /, **options: Any) -> dict[str, Any]:
    return {
        "name": task,
        "winops.kms.ad_activation_info": {**reading(directory), **options},
        "delegate_to": "localhost",
    }


def delete(directory: SambaDirectory, task: str, /, **options: Any) -> dict[str, Any]:
    return {
        "name": task,
        "winops.kms.ad_activation_object": {"state": "absent", **writing(directory), **options},
        "delegate_to": "localhost",
    }


def spent(lab: Lab) -> int:
    """Activations that the lab has counted, on all machines."""
    return sum(lab.machine(name)["counters"]["activations_spent"] for name in SERVERS)


def calls(lab: Lab, method: str = ONLINE) -> int:
    return sum(request["method"] == method for request in lab.requests())


def test_from_nothing_to_an_activated_forest_and_back(
    directory: SambaDirectory, lab: Lab, play: Play, connection: str
) -> None:
    """Check mode, the activation, another run; then the list, the deletion, another run."""
    checked = play([activate(directory)], hosts="dc1", connection=connection, check=True, diff=True)
    told = checked.result("dc1")
    assert (told["changed"], told["activation_object"]) == (True, None)
    assert told["diff"]["after"] == {"activation_object": NAME}
    assert (lab.requests(), directory.ldapsearch("dn")) == ([], "")

    run = play(
        [activate(directory), activate(directory, "again", name=None), info(directory)],
        hosts="dc1",
        connection=connection,
        verbosity=5,
    )
    done, again, listed = (run.result("dc1", name) for name in ("activate", "again", "info"))
    assert (done["changed"], again["changed"], spent(lab), calls(lab)) == (True, False, 1, 1)
    assert done["changes"] == [{"setting": "activation_object", "before": None, "after": NAME}]
    assert again["activation_object"] == done["activation_object"] == listed["activation_objects"][0]
    seen = directory.ldapsearch("displayName", "msSPP-CSVLKPartialProductKey", "msSPP-CSVLKPid")
    found = done["activation_object"]
    assert (found["name"], found["partial_product_key"]) == (NAME, "HK222")
    assert f"dn: {found['dn']}\n" in seen and found["dn"].endswith(f",{CONTAINER}")
    assert "msSPP-CSVLKPartialProductKey: HK222\n" in seen
    assert f"msSPP-CSVLKPid: {found['product_key_id']}\n" in seen
    for secret in (HOST_KEY, READER_PASSWORD):
        assert secret not in run.output
        assert [path for path, text in run.left_behind() if secret in text] == []

    run = play(
        [
            delete(directory, "predict", name=NAME) | {"check_mode": True},
            info(directory, "still there", name=NAME.upper()),
            delete(directory, "delete", name=found["dn"].replace(",CN=Act", ", cn=Act")),
            delete(directory, "delete again", name=NAME),
            info(directory),
        ],
        hosts="dc1",
        diff=True,
    )
    predicted, deleted, last = (run.result("dc1", name) for name in ("predict", "delete", "delete again"))
    assert (predicted["changed"], deleted["changed"], last["changed"]) == (True, True, False)
    assert predicted["activation_object"] == deleted["activation_object"] == found
    assert predicted["diff"] == deleted["diff"]
    assert len(run.result("dc1", "still there")["activation_objects"]) == 1
    assert (run.result("dc1", "info")["activation_objects"], directory.ldapsearch("dn")) == ([], "")
    assert spent(lab) == 1
    assert ADMINISTRATOR_PASSWORD not in run.output


@pytest.mark.parametrize("kind", ["drop_after", "timed_out"])
def test_a_lost_answer_is_looked_up_and_nothing_is_sent_again(
    directory: SambaDirectory, lab: Lab, play: Play, kind: str, connection: str
) -> None:
    lab.fault("dc1", kind, method=ONLINE)
    result = play([activate(directory)], hosts="dc1", connection=connection).result("dc1")
    assert (result["changed"], result["activation_object"]["name"]) == (True, NAME)
    assert (spent(lab), calls(lab)) == (1, 1)


def test_a_call_that_did_not_arrive_is_told_and_made_by_the_next_run(
    directory: SambaDirectory, lab: Lab, play: Play
) -> None:
    lab.fault("dc1", "drop_before", method=ONLINE)
    run = play([activate(directory)], hosts="dc1", expect="failed")
    assert "was not sent a second time" in run.result("dc1")["msg"]
    assert (spent(lab), calls(lab), run.result("dc1")["changed"]) == (0, 1, False)
    assert play([activate(directory)], hosts="dc1").result("dc1")["changed"] is True
    assert spent(lab) == 1


def test_two_hosts_at_once_activate_the_forest_once(directory: SambaDirectory, lab: Lab, play: Play) -> None:
    lab.fault("*", "delay", method=ONLINE, seconds=1, count=2)
    run = play([activate(directory)], hosts="controllers")
    assert sorted(run.result(name)["changed"] for name in SERVERS) == [False, True]
    assert spent(lab) == 1


def test_what_is_refused_before_anything_is_sent(directory: SambaDirectory, lab: Lab, play: Play) -> None:
    play([activate(directory, key=OLD_HOST_KEY, name="Old")], hosts="dc1")
    lab.clear_requests()
    other_name = "there is an activation object old of another key, the one that ends in HK239 (CN="
    wrong = {
        "a name that is taken": (activate(directory, name="old"), other_name),
        "another name for the key": (activate(directory, key=OLD_HOST_KEY), "has activated this forest already"),
        "a password": (activate(directory, ldap_password="wrong"), "does not accept the name or the password"),
        "an authority": (
            activate(directory, ldap_ca_file=str(directory.other_ca_file)),
            "is not signed by an authority",
        ),
        "no server": (activate(directory, ldap_server=["127.0.0.1"]), "cannot be reached"),
    }
    tasks = [{**task, "name": name, "ignore_errors": True} for name, (task, _text) in wrong.items()]
    run = play(tasks, hosts="dc1", expect=None)
    assert [event.event for event in run.events] == ["ignored"] * len(wrong)
    for name, (_task, text) in wrong.items():
        result = run.result("dc1", name)
        assert not result["changed"] and text in result["msg"], (name, result["msg"])
        assert result["error"]["remedy"]
    assert (lab.requests(), spent(lab)) == ([], 1)


def test_by_confirmation_id_where_nothing_reaches_the_internet(directory: SambaDirectory, lab: Lab, play: Play) -> None:
    for name in SERVERS:
        lab.patch(name, {"internet": False})
    run = play(
        [
            activate(directory, "get", offline=True),
            activate(directory, "predict", confirmation_id=CONFIRMATION) | {"check_mode": True},
            activate(directory, "apply", confirmation_id=CONFIRMATION),
            activate(directory, "again", confirmation_id=CONFIRMATION),
            activate(directory, "nothing to get", offline=True),
        ],
        hosts="dc1",
    )
    got, predicted, applied, again, last = (event.result for event in run.events if event.event == "ok")
    assert (got["changed"], got["pending"], got["activation_object"]) == (False, True, None)
    assert len(got["installation_id"]) == 63
    assert (predicted["changed"], applied["changed"], again["changed"]) == (True, True, False)
    assert applied["activation_object"]["name"] == NAME
    assert (last["changed"], last["pending"], last["installation_id"]) == (False, False, None)
    assert calls(lab) == 0 and calls(lab, "DepositActiveDirectoryOfflineActivationConfirmation") == 1


def test_clients_are_activated_by_the_object(directory: SambaDirectory, lab: Lab, play: Play) -> None:
    run = play(
        [
            {"hosts": "dc1", "tasks": [activate(directory)]},
            {
                "hosts": "pc1",
                "tasks": [
                    {"winops.kms.client": {"gvlk": True, "activation_type": "ad", "activate": True}},
                    {"name": "look", "winops.kms.license_info": {}},
                ],
            },
        ]
    )
    (licence,) = run.result("pc1", "look")["licenses"]
    assert (licence["status"], licence["last_activation_type"], licence["days_remaining"]) == ("licensed", "ad", 180)
    assert licence["ad_activation_object_name"] == NAME
    assert licence["ad_activation_object_dn"] == run.result("dc1")["activation_object"]["dn"]
