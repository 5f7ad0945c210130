# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every survey of the data set, answered with its defaults, with all optional answers empty, and wrongly.

A template and its twin in check mode have the same survey, so the twin is what runs, and shows that it writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.tests.awx.run_jobs import Awx, Credential, JobRun
from ansible_collections.winops.kms.tests.awx.standin import data_set, surveys
from kmslab.control import Lab

ESTATE = Path(__file__).parent / "estates" / "surveys.yml"
HOST_KEY = "BCDFG-HJKMP-QRTVW-XY234-HKX26"
TSIG_SECRET = "bGFiIG9ubHk6IHRoaXMgaXMgbm90IGEgc2VjcmV0ISE="
KEY = Credential("KMS host key", {"key": HOST_KEY})
DNS_KEY = Credential("DNS key (TSIG)", {"name": "winops-kms.", "secret": TSIG_SECRET, "algorithm": "hmac-sha256"})

TEMPLATES = data_set.job_templates()
TWIN = " (check)"
#: Templates that need not run, because their twins do.
RUNS = [name for name in TEMPLATES if name.endswith(TWIN) or name + TWIN not in TEMPLATES]
#: What only somebody who knows the site can answer.
NEEDED: dict[str, dict[str, Any]] = {
    "replace host": {
        "kms_new_host_pattern": "new1",
        "kms_old_host_pattern": "old1",
        "publish_dns_server": "127.0.0.1",
        "publish_dns_method": "rfc2136",
    },
    "decommission host": {
        "kms_old_host_pattern": "old1",
        "publish_dns_server": "127.0.0.1",
        "publish_dns_method": "rfc2136",
    },
    "export installation IDs": {"kms_offline_file": "{folder}/ids.csv"},
    "apply confirmation IDs": {"kms_offline_file": "{folder}/ids.csv"},
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(ESTATE) as lab:
        yield lab


@pytest.fixture
def awx(lab: Lab, tmp_path: Path) -> Awx:
    lab.reset()
    return Awx(lab, tmp_path, user="Administrator", password="Pw-of-the-lab-1")


def credentials_of(template: str) -> list[Credential]:
    asked = TEMPLATES[template]["credentials"]
    return [KEY] * ("KMS: host key" in asked) + [DNS_KEY] * ("DNS" in json.dumps(TEMPLATES[template]["survey_spec"]))


def needed(template: str, folder: Path) -> dict[str, Any]:
    found = NEEDED.get(template.removesuffix(TWIN), {})
    return {name: value.replace("{folder}", str(folder)) for name, value in found.items()}


def kinds(lab: Lab) -> set[str]:
    return {request["kind"] for request in lab.requests()}


@pytest.mark.parametrize("template", RUNS)
def test_defaults_and_empty_answers(template: str, awx: Awx, lab: Lab, tmp_path: Path) -> None:
    """The job succeeds and writes nothing on a machine; with empty answers it asks the machines for the same."""
    spec = TEMPLATES[template]
    defaults = needed(template, tmp_path)
    empty = {**surveys.emptied(spec), **defaults}
    done: list[tuple[dict[str, Any], list[str]]] = []
    for filled in (defaults, empty):
        variables = surveys.launch(spec, surveys.from_form(spec, filled))
        if variables in [before for before, _asked in done]:
            continue
        lab.reset()
        before = lab.zone("corp.example")
        runs = awx.run(template, filled, credentials=credentials_of(template))
        failed = [run.stdout[-3000:] for run in runs if run.status != "successful"]
        assert not failed, failed
        if template != "apply confirmation IDs":
            assert kinds(lab) <= {"read"}
        assert lab.zone("corp.example") == before
        asked = sorted(f"{one['machine']} {one['action']} {one['resource']} {one['method']}" for one in lab.requests())
        done.append((variables, asked))
    assert done[0][1], "no machine was asked"
    assert all(asked == done[0][1] for _variables, asked in done)


# -- wrong answers ---------------------------------------------------------------------------------------------------


def wrong_answers(template: str) -> Iterator[tuple[str, Any]]:
    """Question -> an answer that its type, its bounds or its choices do not allow; None: a required one left out."""
    for question in TEMPLATES[template]["survey_spec"]["spec"]:
        variable, kind = question["variable"], question["type"]
        if kind == "integer":
            yield variable, "text"
            yield from ((variable, question[bound] + step) for bound, step in (("min", -1), ("max", 1)))
        elif kind in ("multiplechoice", "multiselect"):
            yield variable, "no such choice"
        else:
            yield variable, "x" * (question["max"] + 1)
        if question["required"]:
            yield variable, None


@pytest.mark.parametrize("template", TEMPLATES)
def test_awx_refuses_answers_of_the_wrong_kind(template: str, tmp_path: Path) -> None:
    """Each question has limits, and AWX launches nothing beyond them."""
    spec = TEMPLATES[template]
    seen = set()
    for variable, answer in wrong_answers(template):
        with pytest.raises(surveys.LaunchError, match=variable):
            surveys.launch(spec, surveys.from_form(spec, {**needed(template, tmp_path), variable: answer}))
        seen.add(variable)
    assert seen == {question["variable"] for question in spec["survey_spec"]["spec"]}


@dataclass(frozen=True)
class Wrong:
    """What AWX lets through (texts, further variables, credentials), and what the job must say of it.

    quiet: no machine is asked for anything.
    """

    template: str
    answers: Mapping[str, Any]
    says: Sequence[str]
    credentials: Sequence[Credential] | None = None
    quiet: bool = True
    never: Sequence[str] = field(default=())


WRONG = {
    "install host": Wrong(
        "install host (check)",
        {
            "install_kms_host_dns_publishing": "perhaps",
            "install_kms_host_publish_domains": [{"domain": "corp..example"}],
        },
        ["install_kms_host_dns_publishing: 'perhaps'", "install_kms_host_publish_domains: domain 'corp..example'"],
    ),
    "malformed key": Wrong(
        "install host",
        {},
        ["install_kms_host_key: this is not a product key", "Nothing was sent"],
        credentials=[Credential("KMS host key", {"key": HOST_KEY[:23]})],
        never=[HOST_KEY[:23]],
    ),
    "malformed Office key": Wrong(
        "install host",
        {},
        ["install_kms_host_office_keys: this is not a product key"],
        credentials=[Credential("KMS host key", {"key": HOST_KEY, "office_key_2021": HOST_KEY[6:]})],
        never=[HOST_KEY[6:], HOST_KEY],
    ),
    "publish DNS": Wrong(
        "publish DNS",
        {"publish_dns_zone": "corp..example", "publish_dns_server": "127.0.0.1:53", "publish_dns_timeout": "soon"},
        ["publish_dns_zone: 'corp..example'", "publish_dns_server: '127.0.0.1:53'", "publish_dns_timeout: 'soon'"],
    ),
    "point clients": Wrong(
        "point clients",
        {
            "point_clients_server": "https://kms.corp.example",
            "point_clients_lookup_domain": "-corp-.example",
            "point_clients_retries": "often",
            "point_clients_activation_id": "not a GUID",
        },
        [
            "point_clients_server: 'https://kms.corp.example'",
            "point_clients_lookup_domain: '-corp-.example'",
            "point_clients_retries: 'often'",
            "point_clients_activation_id: 'not a GUID'",
        ],
    ),
    "malformed MAK": Wrong(
        "point clients",
        {},
        ["point_clients_key: this is not a product key"],
        credentials=[Credential("multiple activation key", {"key": HOST_KEY.replace("-", "")})],
        never=[HOST_KEY.replace("-", "")],
    ),
    "how many at a time": Wrong(
        "point clients", {"kms_client_serial": "many"}, ["kms_client_serial: 'many' is neither"]
    ),
    "replace host": Wrong(
        "replace host",
        {"kms_new_host_pattern": "nobody", "kms_old_host_pattern": "old1"},
        ["kms_new_host_pattern (nobody) is no host of the inventory"],
    ),
    "decommission host": Wrong(
        "decommission host", {"kms_old_host_pattern": "nobody"}, ["kms_old_host_pattern is no host of the inventory"]
    ),
    "report": Wrong("report", {"report_file_mode": "all"}, ["report_file_mode: 'all'"]),
    "export": Wrong(
        "export installation IDs",
        {"kms_offline_file": "/no/such/folder/ids.csv"},
        ["/no/such/folder"],
        quiet=False,
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_roles_refuse_what_awx_lets_through(case: str, awx: Awx, lab: Lab) -> None:
    """The job fails, says which option is wrong and why, and nothing was written anywhere."""
    wrong = WRONG[case]
    before = lab.zone("corp.example")
    credentials = credentials_of(wrong.template) if wrong.credentials is None else wrong.credentials
    runs: list[JobRun] = awx.run(wrong.template, wrong.answers, credentials=credentials, slices=1)
    (run,) = runs
    assert run.status == "failed", run.stdout[-2000:]
    missing = [text for text in wrong.says if text not in run.messages]
    assert not missing, f"{missing} in {run.messages}"
    assert kinds(lab) <= (set() if wrong.quiet else {"read"})
    assert lab.zone("corp.example") == before
    everything = run.stdout + json.dumps(run.events)
    assert not [secret for secret in wrong.never if secret in everything]
