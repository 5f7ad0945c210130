# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pictures of the guide for AWX, of the data set in playbooks/vars/controller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.winops.kms.tests.awx.standin.data_set import load

from .svg import Line, Picture

_SOURCE = "playbooks/vars/controller"
#: As the guide has it: a credential for signed DNS updates, which few sites go without in the end.
_DNS_CREDENTIAL = "KMS: DNS key"
SLICES = 4
#: Playbook of a node -> what its role passes on to later nodes by set_stats, and what that is.
PASSED_ON = {
    "install_kms_host": ("kms_installed_hosts", "names, counts"),
    "publish_dns": ("kms_published", "names, ports"),
    "point_clients": ("kms_clients_…", "how many of each slice"),
    "report": ("kms_report", "totals"),
}
CHECK = " (check)"


def workflow() -> str:
    """The nodes of the workflow, and the slices of the one that is sliced."""
    data = load({"kms_awx_client_slices": SLICES})
    flow: dict[str, Any] = data["controller_workflows"][0]
    templates = {one["name"]: one for one in data["controller_templates"]}
    nodes = [templates[name] for name in node_names(flow)]
    width, gap, left, top = 218, 34, 22, 132
    picture = Picture(2 * left + len(nodes) * width + (len(nodes) - 1) * gap, 446)
    end = picture.width - left
    picture.text(left, 38, f"Workflow {flow['name']}", "large")
    questions = ", ".join(question["question_name"] for question in flow["survey_spec"]["spec"])
    picture.box(left, 56, end - left, 42)
    picture.text(left + 12, 82, "Survey, asked once for all jobs:", "strong")
    picture.text(left + 278, 82, questions, "soft")
    for number, template in enumerate(nodes):
        x = left + number * (width + gap)
        slices = int(template["job_slice_count"])
        playbook = _playbook(template)
        passed, what = PASSED_ON[playbook]
        picture.arrow((x + width / 2, 98), (x + width / 2, top - 2), dashed=True)
        lines: list[Line] = [
            ("strong", f"{number + 1}. {template['name'].removeprefix(data['kms_awx_prefix'])}"),
            ("code", f"{playbook}.yml"),
            ("soft", f"{slices} jobs side by side" if slices > 1 else "one job, never sliced"),
            ("soft", "passes on"),
            ("code", passed),
            ("soft", f"({what})"),
        ]
        picture.box(x, top, width, 134, lines, kind="good" if slices > 1 else "box")
        if number < len(nodes) - 1:
            picture.arrow((x + width, top + 60), (x + width + gap - 2, top + 60))
        if slices > 1:
            _slices(picture, x, top + 134, width, slices)
        else:
            picture.box(x, top + 160, width, 62, _hosts(playbook))
            picture.arrow((x + width / 2, top + 134), (x + width / 2, top + 158))
    picture.text(
        left,
        430,
        "A node runs when the one before it has ended well. A job of a slice knows its own clients only.",
        "soft",
    )
    names = ", then ".join(one["name"] for one in nodes)
    return picture.document(
        title=f"The workflow {flow['name']}",
        description=f"{names}. Each runs when the one before has succeeded; only the clients are sliced.",
        source=_SOURCE,
    )


def _slices(picture: Picture, x: float, y: float, width: float, slices: int) -> None:
    height = 26
    for number in range(slices):
        top = y + 26 + number * (height + 5)
        picture.box(x + 16, top, width - 16, height, kind="good")
        picture.text(x + 28, top + 18, f"slice {number + 1}: every {slices}{_ordinal(slices)} client", "soft")
        picture.line((x + 6, y), (x + 6, top + height / 2), (x + 16, top + height / 2))


def _ordinal(number: int) -> str:
    return {2: "nd", 3: "rd"}.get(number, "th")


def _hosts(playbook: str) -> list[Line]:
    both = [("soft", "hosts of its inventory:"), ("code", "kms_hosts, kms_clients")]
    return both if playbook == "report" else [("soft", "hosts of its inventory:"), ("code", "kms_hosts")]


def node_names(flow: Mapping[str, Any]) -> list[str]:
    """The job templates of a workflow without branches, in the order in which they run."""
    nodes = {node["identifier"]: node for node in flow["workflow_nodes"]}
    after = {
        name: [one["identifier"] for one in node["related"]["success_nodes"]] if node.get("related") else []
        for name, node in nodes.items()
    }
    (name,) = nodes.keys() - {one for names in after.values() for one in names}
    found = [name]
    while after[name]:
        (name,) = after[name]
        found.append(name)
    return [nodes[name]["unified_job_template"]["name"] for name in found]


def credentials() -> str:
    """Which job template has which credential."""
    data = load({"kms_awx_dns_credentials": [_DNS_CREDENTIAL]})
    templates = [one for one in data["controller_templates"] if not one["name"].endswith(CHECK)]
    twins = {one["name"].removesuffix(CHECK) for one in data["controller_templates"] if one["name"].endswith(CHECK)}
    columns = sorted({name for one in templates for name in one["credentials"]}, key=_by_use(templates), reverse=True)
    left, first, wide, top, high = 22, 336, 250, 122, 34
    picture = Picture(first + wide * len(columns) + 10, top + high * len(templates) + 58)
    picture.text(left, 38, "Job templates and their credentials", "large")
    for number, name in enumerate(columns):
        x = first + number * wide
        picture.box(x, 56, wide - 16, 50, [("keytext", name), ("soft", _holds(name, data))], kind="key")
    for row, template in enumerate(templates):
        y = top + row * high
        if row % 2 == 0:
            picture.box(left - 8, y, picture.width - 2 * left + 16, high, kind="band")
        picture.text(left + 4, y + 22, template["name"], "strong")
        if template["name"] in twins:
            picture.text(left + 246, y + 22, "+ check", "soft")
        for number, name in enumerate(columns):
            if name in template["credentials"]:
                picture.dot(first + number * wide + (wide - 16) / 2, y + high / 2, hollow=name == _DNS_CREDENTIAL)
    y = picture.height - 22
    picture.dot(left + 6, y - 5)
    picture.text(left + 22, y, "has it", "soft")
    picture.dot(left + 96, y - 5, hollow=True)
    picture.text(
        left + 112,
        y,
        "has it if kms_awx_dns_credentials names it.   + check: the same in a twin that only reads.",
        "soft",
    )
    parts = [f"{one['name']}: {', '.join(one['credentials'])}" for one in templates]
    return picture.document(
        title="Job templates and their credentials", description=". ".join(parts) + ".", source=_SOURCE
    )


def _by_use(templates: list[dict[str, Any]]) -> Any:
    return lambda name: sum(name in one["credentials"] for one in templates)


def _holds(name: str, data: Mapping[str, Any]) -> str:
    if name == _DNS_CREDENTIAL:
        return "signs DNS updates"
    kind = next(one["credential_type"] for one in data["controller_credentials"] if one["name"] == name)
    return "logs on to Windows" if kind == "Machine" else "the key to be installed"


def key_path() -> str:
    """The way of a KMS host key from the person who has it to the machine that it is installed on."""
    data = load()
    kind = next(one for one in data["controller_credential_types"] if "install_kms_host_key" in str(one["injectors"]))
    field = next(one for one in kind["inputs"]["fields"] if one["id"] == "key")
    (variable,) = [name for name, value in kind["injectors"]["extra_vars"].items() if value == "{{ key }}"]
    credential = next(one for one in data["controller_credentials"] if one["credential_type"] == kind["name"])
    template = next(one for one in data["controller_templates"] if credential["name"] in one["credentials"])
    stations: list[tuple[str, list[Line]]] = [
        (
            "box",
            [
                ("strong", "You"),
                ("soft", "paste the key, once,"),
                ("soft", "into one field:"),
                ("mark", field["label"]),
            ],
        ),
        (
            "key",
            [
                ("strong", "Credential"),
                ("keytext", credential["name"]),
                ("soft", "encrypted in the database,"),
                ("soft", "never shown again"),
            ],
        ),
        (
            "box",
            [("strong", "Job"), ("mark", template["name"]), ("soft", "gets it as a variable:"), ("code", variable)],
        ),
        (
            "box",
            [
                ("strong", "Role, module"),
                ("code", "winops.kms.host"),
                ("soft", "never printed: no_log,"),
                ("soft", "masked in all results"),
            ],
        ),
        (
            "good",
            [
                ("strong", "KMS host"),
                ("soft", "gets it by WinRM, with"),
                ("soft", "no file and no process"),
                ("soft", "on the machine"),
            ],
        ),
    ]
    width, gap, left, top = 200, 30, 22, 60
    picture = Picture(2 * left + len(stations) * width + (len(stations) - 1) * gap, 262)
    picture.text(left, 38, "The way of a key", "large")
    for number, (css, lines) in enumerate(stations):
        x = left + number * (width + gap)
        picture.box(x, top, width, 100, lines, kind=css)
        if number < len(stations) - 1:
            picture.arrow((x + width, top + 50), (x + width + gap - 2, top + 50))
    x = left + 2 * (width + gap)
    picture.box(x, 198, 2 * width + gap, 46, kind="box")
    picture.text(x + 12, 226, "Job events, facts, artifacts show", "soft")
    picture.text(x + 250, 226, "*****-HK222", "code")
    picture.arrow((x + width + gap + width / 2, top + 100), (x + width + gap + width / 2, 196), dashed=True)
    picture.box(left, 198, 2 * width + gap, 46, kind="box")
    picture.text(left + 12, 226, "No survey asks for a key, and no inventory has one.", "soft")
    return picture.document(
        title="The way of a key",
        description=(
            f"A person pastes the key into the field {field['label']} of the credential {credential['name']}. "
            f"The job of {template['name']} gets it as {variable}, and the module sends it to the KMS host by WinRM. "
            "Results show its last five characters."
        ),
        source=_SOURCE,
    )


def _playbook(template: Mapping[str, Any]) -> str:
    name: str = template["playbook"]
    return name.rpartition("/")[2].removesuffix(".yml")
