# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of a remote shell, without the shell: what is written, in which language, and the exit code."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from labsupport.desk import MAK, Desk, client, estate_data, host

from kmslab.model import Estate
from kmslab.shell import Finished, run_command
from kmslab.shell.texts import ENGLISH, GERMAN, code_page, format_moment, oem_code_page

SCRIPT = r"C:\Windows\System32\slmgr.vbs"
Run = Callable[..., Finished]


def make(*machines: dict[str, Any], **more: Any) -> tuple[Desk, Run]:
    """The estate's machines, and a function that runs a command on one of them (the first by default)."""
    estate = Estate.from_data(estate_data(*machines, clock="2026-10-05T12:00:00Z", **more))

    def run(line: str, machine: str = machines[0]["name"], **options: Any) -> Finished:
        view = estate.view(machine)
        assert view is not None
        return run_command(view, "Administrator", line, **options)

    return Desk(estate), run


def report(run: Run, switch: str, machine: str | None = None) -> dict[str, str]:
    """The fields of a report: what stands before the first colon of each line, and what behind it."""
    done = run(f"cscript //nologo {SCRIPT} {switch}", *([machine] if machine else []))
    assert (done.stderr, done.exit_code) == ("", 0)
    pairs = (line.partition(": ") for line in done.stdout.split("\r\n"))
    return {name.strip(): value for name, _ignored, value in pairs if name}


# -- command lines --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        r"cscript //nologo C:\Windows\System32\slmgr.vbs /dli",
        r"CSCRIPT.EXE //NOLOGO c:\windows\system32\SLMGR.VBS -DLI",
        r'"C:\Windows\System32\cscript.exe" //nologo "C:\Windows\System32\slmgr.vbs" /dli',
        r"cscript C:/Windows/System32/slmgr.vbs /dli //nologo",
        r"cscript //NoLogo %SystemRoot%\System32\slmgr.vbs /dli",
        r"cscript //nologo //E:VBScript %WINDIR%\system32\slmgr.vbs /dli",
        r"cmd /c cscript //nologo %windir%\system32\slmgr.vbs /dli",
        r'cmd.exe /s /c "cscript //nologo %windir%\system32\slmgr.vbs /dli"',
        r'C:\Windows\system32\cmd.exe /c ""%windir%\System32\cscript.exe" //nologo "%windir%\system32\slmgr.vbs" /dli"',
    ],
)
def test_ways_to_write_it(line: str) -> None:
    _ignored, run = make(client())
    done = run(line)
    assert done.exit_code == 0
    assert done.stdout.startswith("\r\nName: Windows(R), Enterprise edition\r\nDescription: ")


def test_the_script_is_looked_for_in_the_working_directory_alone() -> None:
    _ignored, run = make(client(), client("berlin", locale="de-DE"))
    lost = run("cscript //nologo slmgr.vbs /dli")
    assert (lost.stdout, lost.exit_code) == ("", 1)
    assert lost.stderr == 'Input Error: Can not find script file "C:\\Users\\Administrator\\slmgr.vbs".\r\n'
    assert "Eingabefehler" in run("cscript slmgr.vbs /dli", "berlin").stderr
    assert run("cscript //nologo slmgr.vbs /dli", directory=r"C:\Windows\system32").exit_code == 0
    assert run(r"cscript //nologo %there%\slmgr.vbs /dli", variables={"There": r"C:\Windows\System32"}).exit_code == 0


def test_the_script_hosts_banner_and_batch_mode() -> None:
    _ignored, run = make(
        client(), client("berlin", locale="de-DE"), client("seven", edition="Professional", build=7601)
    )
    line = f"cscript {SCRIPT} /xpr"
    assert run(line).stdout.startswith(
        "Microsoft (R) Windows Script Host Version 5.812\r\n"
        "Copyright (C) Microsoft Corporation. All rights reserved.\r\n\r\nWindows(R), Enterprise edition:\r\n"
    )
    assert "Alle Rechte vorbehalten.\r\n\r\n" in run(line, "berlin").stdout
    assert "Version 5.8\r\n" in run(line, "seven").stdout
    assert run(f"cscript //nologo //B {SCRIPT} /xpr").stdout == ""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hostname", "pc\r\n"),
        ("whoami", "pc\\administrator\r\n"),
        ("ver", "\r\nMicrosoft Windows [Version 10.0.22631.5335]\r\n"),
        ("cmd /c hostname", "pc\r\n"),
        ("HOSTNAME.EXE", "pc\r\n"),
        ("", ""),
    ],
)
def test_other_commands(line: str, expected: str) -> None:
    _ignored, run = make(client())
    assert run(line) == Finished(expected)


def test_ver_before_windows_10() -> None:
    _ignored, run = make(client("seven", edition="Professional", build=7601))
    assert run("ver").stdout == "\r\nMicrosoft Windows [Version 6.1.7601]\r\n"


@pytest.mark.parametrize(("line", "code"), [("exit", 0), ("exit 7", 7), ("cmd /c exit /b 3", 3), ("exit -1", -1)])
def test_exit_codes(line: str, code: int) -> None:
    _ignored, run = make(client())
    assert run(line) == Finished(exit_code=code)


def test_an_unknown_command() -> None:
    _ignored, run = make(client(), client("berlin", locale="de-DE"))
    assert run("command -v command") == Finished(
        stderr="'command' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n",
        exit_code=1,
    )
    assert run("wmic os", "berlin").stderr == (
        'Der Befehl "wmic" ist entweder falsch geschrieben oder\r\nkonnte nicht gefunden werden.\r\n'
    )


@pytest.mark.parametrize(
    "line",
    [
        "powershell -NoProfile -Command Get-CimInstance",
        r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe -encodedcommand aQ==",
        "slmgr /dli",
        "slmgr.vbs /dli",
        f"wscript {SCRIPT} /dli",
        f"cscript {SCRIPT} /ato",
        f"cscript {SCRIPT} kms1 /dli",
        f"cscript {SCRIPT}",
        "cscript",
        "cscript //X " + SCRIPT,
        f"cscript //nologo {SCRIPT} /dli | find License",
        f"cscript {SCRIPT} /dli > out.txt",
        "hostname & ver",
    ],
)
def test_what_the_lab_cannot_do_is_said_and_fails(line: str) -> None:
    desk, run = make(client())
    before = desk.estate.describe("pc")
    done = run(line)
    assert (done.stdout, done.exit_code) == ("", 1)
    assert done.stderr.startswith("kmslab: the lab does not simulate ")
    assert desk.estate.describe("pc") == before


# -- slmgr.vbs ------------------------------------------------------------------------------------------------------


def test_a_client_before_its_activation() -> None:
    desk, run = make(client())
    fields = report(run, "/dlv")
    row = desk.keyed("pc")
    assert fields["Activation ID"] == row["ID"]
    assert fields["Extended PID"] == row["ProductKeyID"]
    assert fields["Installation ID"] == row["OfflineInstallationId"]
    assert fields["Product Key Channel"] == "Volume:GVLK"
    assert fields["License Status"] == "Initial grace period"
    assert fields["Time remaining"] == "43200 minute(s) (30 day(s))"
    assert fields["Trusted time"] == "10/5/2026 12:00:00 PM"
    assert any(name.startswith("Please use slmgr.vbs /ato") for name in fields)
    assert "Client Machine ID (CMID)" not in fields
    assert "Activation ID" not in report(run, "/dli")


def test_an_activated_client_with_a_fixed_host_and_a_lookup_domain() -> None:
    desk, run = make(client(licensed=True, kms_server="kms.corp.example", lookup_domain="corp.example"))
    fields = report(run, "/dli")
    assert fields["License Status"] == "Licensed"
    assert fields["Volume activation expiration"] == "259200 minute(s) (180 day(s))"
    assert fields["Client Machine ID (CMID)"] == desk.service("pc")["ClientMachineID"]
    assert fields["Registered KMS machine name"] == "kms.corp.example:1688"
    assert fields["Registered KMS SRV record lookup domain"] == "corp.example"
    assert "kms.corp.example:1688 will be used" in fields["Warning"]
    desk.set("pc", "SetKeyManagementServicePort", PortNumber=1700)
    desk.set("pc", "SetVLActivationTypeEnabled", ActivationType=2)
    desk.set("pc", "DisableKeyManagementServiceHostCaching", DisableCaching=True)
    changed = report(run, "/dli")
    assert changed["Registered KMS machine name"] == "kms.corp.example:1700"
    assert changed["Configured Activation Type"] == "KMS"
    assert "KMS host caching is disabled" in changed


def test_days_are_rounded_up_and_by_windows_7_down() -> None:
    old = client("seven", edition="Professional", build=7601)
    desk, run = make(client(), old)
    desk.estate.advance(60)
    assert report(run, "/dli")["Time remaining"] == "43140 minute(s) (30 day(s))"
    assert report(run, "/dli", "seven")["Time remaining"] == "43140 minute(s) (29 day(s))"


def test_windows_7_knows_fewer_fields() -> None:
    _ignored, run = make(client("seven", edition="Professional", build=7601, licensed=True))
    fields = report(run, "/dlv")
    assert fields["Remaining Windows rearm count"] == "3"
    new = {"Product Key Channel", "Remaining SKU rearm count", "Configured Activation Type", "KMS machine IP address"}
    assert not new & set(fields)
    assert "Key Management Service client information" in fields


def test_a_kms_host() -> None:
    desk, run = make(host(seed_cmids=30))
    done = run(f"cscript //nologo {SCRIPT} /dli").stdout.split("\r\n")
    begin = done.index("Key Management Service is enabled on this machine")
    assert done[begin + 1 : begin + 5] == [
        "    Current count: 30",
        "    Listening on Port: 1688",
        "    DNS publishing enabled",
        "    KMS priority: Normal",
    ]
    assert "    Total requests received: 0" in done
    desk.set("kms1", "SetKeyManagementServiceListeningPort", PortNumber=1700)
    desk.set("kms1", "DisableKeyManagementServiceDnsPublishing", DisablePublishing=True)
    desk.set("kms1", "EnableKeyManagementServiceLowPriority", EnableLowPriority=True)
    fields = report(run, "/dli")
    assert fields["Listening on Port"] == "1700"
    assert {"DNS publishing disabled"} <= set(fields)
    assert fields["KMS priority"] == "Low"


def test_one_product_by_its_id_and_all_of_them() -> None:
    desk, run = make(client(office=["ProPlus2021"]))
    office = next(row for row in desk.rows("pc", "SoftwareLicensingProduct") if "Office" in str(row["Name"]))
    fields = report(run, f"/dlv {str(office['ID']).upper()}")
    assert fields["Name"] == office["Name"]
    assert fields["Remaining App rearm count"] == "1001"
    names = [row["Name"] for row in desk.rows("pc", "SoftwareLicensingProduct")]
    lines = run(f"cscript //nologo {SCRIPT} /dli ALL").stdout.split("\r\n")
    assert [line.removeprefix("Name: ") for line in lines if line.startswith("Name: ")] == names
    assert "This license is not in use." in lines
    assert [line for line in run(f"cscript //nologo {SCRIPT} /dli").stdout.split("\r\n") if "Office" in line] == []


@pytest.mark.parametrize("switch", ["/dli", "/xpr"])
def test_an_unknown_product_is_no_error(switch: str) -> None:
    _ignored, run = make(client())
    done = run(f"cscript //nologo {SCRIPT} {switch} 00000000-0000-0000-0000-000000000000")
    assert done == Finished("Error: product key not found.\r\n\r\n")


def test_expiry() -> None:
    _ignored, run = make(
        client(licensed=True),
        client("mak", key=MAK, licensed=True),
        client("late", grace_minutes_left=0),
        client("berlin", locale="de-DE", licensed=True),
        client("empty", media="none"),
        client("east", licensed=True, time_zone=120),
    )
    line = f"cscript //nologo {SCRIPT} /xpr"
    name = "Windows(R), Enterprise edition:\r\n    "
    assert run(line).stdout == f"{name}Volume activation will expire 4/3/2027 12:00:00 PM\r\n\r\n"
    assert run(line, "east").stdout == f"{name}Volume activation will expire 4/3/2027 2:00:00 PM\r\n\r\n"
    assert run(line, "mak").stdout == f"{name}The machine is permanently activated.\r\n\r\n"
    assert run(line, "late").stdout == f"{name}Windows is in Notification mode\r\n\r\n"
    assert run(line, "berlin").stdout == f"{name}Die Volumenaktivierung läuft am 03.04.2027 12:00:00 ab\r\n\r\n"
    assert run(line, "empty").stdout == "Error: product key not found.\r\n\r\n"


def test_notification_and_its_reason() -> None:
    _ignored, run = make(client(grace_minutes_left=0), client("berlin", locale="de-DE", grace_minutes_left=0))
    fields = report(run, "/dli")
    assert fields["License Status"] == "Notification"
    assert fields["Notification Reason"] == "0xC004F009 (grace time expired)."
    fields = report(run, "/dli", "berlin")
    assert fields["Lizenzstatus"] == "Benachrichtigung"
    assert fields["Benachrichtigungsgrund"].startswith("0xC004F009 ")


def test_an_error_of_wmi_is_the_exit_code() -> None:
    desk, run = make(client(), client("berlin", locale="de-DE"))
    for machine in ("pc", "berlin"):
        desk.estate.patch(machine, {"sppsvc": {"start_mode": "Disabled", "state": "Stopped"}})
    done = run(f"cscript //nologo {SCRIPT} /dlv")
    assert done.exit_code == 0x80070422 - 2**32
    assert done.stdout.startswith("Error: 0x80070422 On a computer running Microsoft Windows non-core edition, run ")
    assert run(f"cscript //nologo {SCRIPT} /dlv", "berlin").stdout.startswith("Fehler: 0x80070422 Führen Sie ")


def test_reading_changes_nothing_but_that_the_service_runs() -> None:
    desk, run = make(client(licensed=True))
    before = {key: value for key, value in desk.estate.describe("pc").items() if key != "sppsvc"}
    for switch in ("/dli", "/dlv", "/dlv all", "/xpr"):
        run(f"cscript //nologo {SCRIPT} {switch}")
    after = desk.estate.describe("pc")
    assert {key: value for key, value in after.items() if key != "sppsvc"} == before
    assert after["sppsvc"]["state"] == "Running"


# -- languages ------------------------------------------------------------------------------------------------------


def test_a_german_client() -> None:
    desk, run = make(client("berlin", locale="de-DE", licensed=True, kms_server="kms.corp.example"))
    fields = report(run, "/dlv")
    assert fields["Lizenzstatus"] == "Lizenziert"
    assert fields["Beschreibung"].endswith("VOLUME_KMSCLIENT channel")
    assert fields["Ablauf der Volumenaktivierung"] == "259200 Minute(n) (180 Tag(e))"
    assert fields["Clientcomputer-ID (CMID)"] == desk.service("berlin")["ClientMachineID"]
    assert fields["Vertrauenswürdige Zeit"] == "05.10.2026 12:00:00"
    assert "Schlüsselverwaltungsdienst-Clientinformationen" in fields
    # One name for both counts, as German scripts had to learn.
    assert run(f"cscript {SCRIPT} /dlv").stdout.count("Verbleibende Windows Rearm-Anzahl: ") == 2


def test_the_languages_have_the_same_texts_with_the_same_values() -> None:
    assert list(ENGLISH) == list(GERMAN)
    for key, english in ENGLISH.items():
        for name in ("{value}", "{minutes}", "{days}", "{version}"):
            assert (name in english) == (name in GERMAN[key]), key
        assert english.startswith("    ") == GERMAN[key].startswith("    "), key


def test_german_texts_fit_the_code_pages_of_consoles() -> None:
    for number in (437, 850, 1252, 65001):
        codec = code_page(number)
        assert codec is not None
        for text in GERMAN.values():
            assert text.encode(codec).decode(codec) == text
    assert [oem_code_page(locale) for locale in ("en-US", "de-DE", "fr-FR", "ja-JP")] == [437, 850, 850, 932]
    assert code_page(1) is None


def test_dates_by_language() -> None:
    moment = datetime(2026, 3, 4, 15, 6, 7)
    assert [format_moment(moment, locale) for locale in ("en-US", "de-DE", "fr-FR", "ja-JP")] == [
        "3/4/2026 3:06:07 PM",
        "04.03.2026 15:06:07",
        "04/03/2026 15:06:07",
        "2026/03/04 15:06:07",
    ]
    assert format_moment(moment.replace(hour=0), "en-US") == "3/4/2026 12:06:07 AM"
