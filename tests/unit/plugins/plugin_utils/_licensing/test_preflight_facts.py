# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the preflight asks a machine, and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import (
    CimAccessDenied,
    CimError,
    CimFault,
    CimInvalidClass,
    CimMethodError,
)
from ansible_collections.winops.kms.plugins.plugin_utils._cim.schema import CimClass, Instance, Value
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession, MethodTarget
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.preflight.facts import Facts, read_facts
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.reading import Scope
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import (
    NoNetwork,
    keyed_client,
    keyed_host,
    keyed_mak,
    office,
)

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=timezone.utc)
WINDOWS = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
SPP = WINDOWS + r"\SoftwareProtectionPlatform"
POLICY = r"SOFTWARE\Policies\Microsoft\Windows NT\CurrentVersion\Software Protection Platform"


def raising(error: type[CimError], **more: Any) -> Callable[[], CimError]:
    return lambda: error("Nein", **more)


DENIED = raising(CimAccessDenied, code=0x80041003)
NO_CLASS = raising(CimInvalidClass, code=0x8033801A)


class Machine(CimSession):
    """Answers from tables; a class or method that is an error raises it.  `asked` are the requests in order."""

    def __init__(self, *products: dict[str, Any], build: int = 20348, **system: Any) -> None:
        super().__init__(NoNetwork())
        self.registry: dict[tuple[str, str], Any] = {(WINDOWS, "UBR"): 2849}
        self.rows: dict[str, list[Mapping[str, Any]] | Callable[[], CimError]] = {
            "SoftwareLicensingService": [
                {"Version": f"10.0.{build}.1", "KeyManagementServiceMachine": "kms1", "RemainingWindowsReArmCount": 3}
            ],
            "SoftwareLicensingProduct": list(products),
            "Win32_OperatingSystem": [
                {
                    "BuildNumber": str(build),
                    "Caption": "Windows",
                    "CSName": "SRV01",
                    "CurrentTimeZone": 60,
                    "LocalDateTime": NOW + timedelta(seconds=90),
                    "OperatingSystemSKU": 7,
                    "ProductType": 3,
                    **system,
                }
            ],
            "Win32_Service": [
                {"Name": "sppsvc", "StartMode": "Auto"},
                {"Name": "W32Time", "StartMode": "Manual"},
            ],
            "MSFT_NetFirewallRule": [{"InstanceID": "SPPSVC-In-TCP", "Enabled": 2}],
            "Win32_QuickFixEngineering": [],
            "Win32_Tpm": [],
        }
        self.errors: dict[str, Callable[[], CimError]] = {}
        self.asked: list[str] = []
        self.wheres: list[str] = []

    def query(
        self,
        cim_class: CimClass,
        properties: Sequence[str] | None = None,
        where: str = "",
        *,
        limit: int | None = None,
    ) -> list[Instance]:
        self.asked.append(cim_class.name)
        self.wheres.append(where)
        rows = self.rows[cim_class.name]
        if callable(rows):
            raise rows()
        assert properties, "no query asks for all columns: the firmware's key is one of them"
        return [Instance({name: row.get(name) for name in properties}) for row in rows]

    def invoke(
        self,
        target: MethodTarget,
        method: str,
        *,
        accept: Collection[int] = (0,),
        writes: bool = True,
        **parameters: Value,
    ) -> Instance:
        assert not writes and isinstance(target, CimClass) and target.name == "StdRegProv"
        key, name = str(parameters["sSubKeyName"]), parameters["sValueName"]
        self.asked.append(f"{method} {name}" if name else method)
        if method in self.errors:
            raise self.errors[method]()
        if method == "EnumValues":
            names = [value for place, value in self.registry if place == key]
            return Instance({"sNames": names or None, "ReturnValue": 0 if names else 2})
        found = self.registry.get((key, str(name)))
        assert 1 in accept and 2 in accept, "a value that is not there is no error"
        output = "uValue" if method == "GetDWORDValue" else "sValue"
        return Instance({output: found, "ReturnValue": 0 if found is not None else 1})


def read(machine: Machine, role: str = "host", *, application: str = "windows", **more: Any) -> Facts:
    return read_facts(machine, Scope(application), role=role, now=lambda: NOW, **more)


LICENCE = ["SoftwareLicensingService", "SoftwareLicensingProduct"]


def test_what_a_kms_host_is_asked() -> None:
    machine = Machine(keyed_host())
    facts = read(machine)
    assert machine.asked == [
        *LICENCE,
        "Win32_OperatingSystem",
        "EnumValues",
        "GetDWORDValue UBR",
        "Win32_Service",
        "MSFT_NetFirewallRule",
    ]
    assert (facts.name, facts.release, facts.revision) == ("SRV01", "Windows Server 2022", 2849)
    assert facts.clock_difference_seconds == 90
    assert facts.group is not None and facts.group.name == "Windows Server 2022"
    assert (facts.is_kms_host, facts.licensed, facts.firewall_rule, facts.tpm) == (True, True, False, None)
    assert facts.services == {"sppsvc": "Auto", "W32Time": "Manual"}
    assert facts.as_result()["time"] == "2026-03-02T08:01:30+00:00"


def test_what_a_client_is_asked() -> None:
    machine = Machine(keyed_client(licensed=False))
    machine.registry |= {
        (SPP, "SkipRearm"): 1,
        (SPP, "UserOperations"): 0,
        (POLICY, "NoGenTicket"): 1,
        (rf"{SPP}\55c92734-d682-4d71-983e-d6ec3f16059f", "KeyManagementServiceName"): "kms9",
    }
    facts = read(machine, "client", name="pc-01")
    assert machine.asked == [
        *LICENCE,
        "Win32_OperatingSystem",
        "EnumValues",
        "Win32_Service",
        "GetDWORDValue SkipRearm",
        "GetDWORDValue UserOperations",
        "GetDWORDValue NoGenTicket",
        "GetStringValue KeyManagementServiceName",
    ]
    assert (facts.skip_rearm, facts.user_operations, facts.no_gen_ticket) == (True, False, True)
    assert (facts.name, facts.application_kms_server, facts.machine_kms_server) == ("pc-01", "kms9", "kms1")
    assert facts.firewall_rule is None and facts.revision is None


def test_an_older_host_is_asked_for_the_updates_that_matter_and_has_no_revision() -> None:
    machine = Machine(keyed_host(), build=9600)
    machine.rows["Win32_QuickFixEngineering"] = [{"HotFixID": "KB3172614"}]
    facts = read(machine)
    assert "GetDWORDValue UBR" not in machine.asked
    (where,) = [one for one in machine.wheres if "HotFixID" in one]
    assert where == "HotFixID='KB3172614' OR HotFixID='KB4467695'"
    assert (facts.release, facts.revision, facts.updates) == ("Windows Server 2012 R2", None, ("KB3172614",))


@pytest.mark.parametrize(("build", "kind", "asked"), [(26100, 3, True), (26100, 1, False), (20348, 3, False)])
def test_only_hosts_with_windows_server_2025_are_asked_for_their_tpm(build: int, kind: int, asked: bool) -> None:
    machine = Machine(keyed_host(), build=build, ProductType=kind)
    machine.rows["Win32_Tpm"] = [{"IsEnabled_InitialValue": True, "SpecVersion": "2.0"}]
    facts = read(machine)
    assert ("Win32_Tpm" in machine.asked) is asked is (facts.tpm is not None)


def test_what_windows_does_not_have_is_no_trouble() -> None:
    machine = Machine(keyed_host(), build=26100)
    machine.rows |= {"MSFT_NetFirewallRule": NO_CLASS, "Win32_Tpm": NO_CLASS, "Win32_Service": NO_CLASS}
    facts = read(machine)
    assert (facts.firewall_rule, facts.tpm, facts.services, facts.not_read) == (None, None, {}, ())


def test_what_may_not_be_read_is_named() -> None:
    machine = Machine(keyed_host(), build=26100)
    machine.rows |= {"MSFT_NetFirewallRule": DENIED, "Win32_Tpm": DENIED}
    machine.errors["EnumValues"] = raising(CimMethodError, code=5)
    assert set(read(machine).not_read) == {"the registry", "the firewall rule", "the TPM"}


def test_a_machine_whose_licensing_service_is_disabled_tells_the_rest() -> None:
    machine = Machine()
    machine.rows["SoftwareLicensingService"] = raising(CimFault, code=0x80070422)
    machine.rows["Win32_Service"] = [{"Name": "sppsvc", "StartMode": "Disabled"}]
    facts = read(machine, "client")
    assert (facts.services, facts.release) == ({"sppsvc": "Disabled"}, "Windows Server 2022")
    assert machine.asked.count("Win32_Service") == 1


def test_another_fault_of_the_licensing_service_is_one() -> None:
    machine = Machine()
    machine.rows["SoftwareLicensingService"] = raising(CimFault, code=0x80041001)
    with pytest.raises(CimFault):
        read(machine, "client")


def test_a_machine_without_an_operating_system_is_known_by_its_licence() -> None:
    machine = Machine()
    machine.rows["Win32_OperatingSystem"] = []
    facts = read(machine)
    assert (facts.name, facts.build, facts.time, facts.not_read) == ("this machine", 20348, None, ())


def test_a_fault_that_no_windows_should_give_hides_only_what_it_is_about() -> None:
    machine = Machine()
    machine.rows["Win32_OperatingSystem"] = raising(CimFault, code=0x80041024)
    facts = read(machine)
    assert facts.not_read == ("the operating system",)
    assert facts.services


@pytest.mark.parametrize(
    ("licence", "brief"),
    [
        (keyed_client(GracePeriodRemaining=30 * 1440 + 1), True),
        (keyed_client(GracePeriodRemaining=30 * 1440), False),
        (keyed_client(licensed=False), False),
        (keyed_mak(), True),
    ],
)
def test_of_an_activated_machine_the_licence_is_enough(licence: dict[str, Any], brief: bool) -> None:
    machine = Machine(licence)
    facts = read(machine, "client", skip_licensed=True)
    assert facts.brief is brief
    assert (machine.asked == LICENCE) is brief
    assert facts.machine_kms_server == "kms1"
    full = read(Machine(licence), "client")
    assert (facts.key_channel, facts.licensed, facts.editions) == (full.key_channel, full.licensed, full.editions)


def test_the_end_of_a_licence_is_by_the_clock_of_the_controller() -> None:
    wrong = NOW + timedelta(hours=7)
    facts = read(Machine(keyed_client(GracePeriodRemaining=60), LocalDateTime=wrong), "client")
    assert facts.license_ends == NOW + timedelta(hours=1)
    assert facts.clock_difference_seconds == 7 * 3600
    assert read(Machine(keyed_mak()), "client").license_ends is None


def test_local_time_counts_as_the_moment_it_is() -> None:
    zone = timezone(timedelta(hours=1))
    facts = read(Machine(LocalDateTime=NOW.astimezone(zone)), "client")
    assert facts.clock_difference_seconds == 0
    assert facts.as_result()["time"] == "2026-03-02T08:00:00+00:00"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ADActivationObjectName": "x", "VLActivationType": 1}, "x"),
        ({"ADActivationObjectName": "x", "VLActivationType": 2}, None),
        ({"ADActivationObjectName": None, "VLActivationType": 1}, None),
    ],
)
def test_an_activation_object_counts_when_it_was_the_last_way(changes: dict[str, Any], expected: str | None) -> None:
    assert read(Machine(keyed_client(**changes)), "client").ad_activation_object == expected


def test_several_products_do_not_keep_it_from_looking() -> None:
    first, second = office("1", "AAAAA", "Office"), office("2", "BBBBB", "Visio")
    facts = read(Machine({**first, "ProductKeyChannel": "Retail"}, second), "client", application="office")
    assert (facts.key_channel, facts.editions) == ("gvlk", ())
