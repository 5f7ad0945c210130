# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remote shells as others' clients use them: pywinrm's Session, pypsrp's WinRS, pytest-testinfra's winrm backend.

The lab demands encryption here, as Windows does by default.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import testinfra
from labsupport.remote import (
    ENGLISH,
    GERMAN,
    HOST,
    PASSWORD,
    READER,
    READER_PASSWORD,
    SCRIPT,
    USER,
    port,
    running,
)
from pypsrp.exceptions import WSManFaultError as PsrpFault
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import WSMan
from winrm import Session
from winrm.exceptions import WSManFaultError as WinrmFault
from winrm.protocol import Protocol

from kmslab.control import Lab

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
CMD = SHELL + "/cmd"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
INVALID_SELECTORS, SHELL_QUOTA, ACCESS_DENIED = 2150858843, 2150859173, 5


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("estate"), "--demand-encryption") as lab:
        yield lab


@pytest.fixture
def lab(_running: Lab) -> Lab:
    _running.clear_requests()
    return _running


def session(lab: Lab, machine: str) -> Session:
    return Session(f"http://127.0.0.1:{port(lab, machine)}/wsman", auth=(USER, PASSWORD), transport="ntlm")


def pywinrm(lab: Lab, machine: str, user: str = USER, password: str = PASSWORD) -> Protocol:
    return Protocol(lab.endpoint(machine), transport="ntlm", username=user, password=password)


def pypsrp(lab: Lab, machine: str) -> WSMan:
    http, path = lab.info["http_port"], f"{machine}/wsman"
    return WSMan("127.0.0.1", port=http, path=path, username=USER, password=PASSWORD, auth="ntlm", ssl=False)


# -- pywinrm --------------------------------------------------------------------------------------------------------


def test_pywinrms_session(lab: Lab) -> None:
    done = session(lab, ENGLISH).run_cmd("cscript", ["//nologo", SCRIPT, "/dli"])
    assert (done.status_code, done.std_err) == (0, b"")
    lines = done.std_out.decode("ascii").split("\r\n")
    assert "License Status: Licensed" in lines
    assert f"Partial Product Key: {lab.machine(ENGLISH)['partial_product_key']}" in lines
    assert f"    KMS machine name from DNS: {HOST}.corp.example:1688" in lines
    assert lab.machine(ENGLISH)["open_shells"] == 0


def test_every_request_of_a_shell_is_recorded_as_such(lab: Lab) -> None:
    session(lab, ENGLISH).run_cmd("hostname")
    requests = lab.requests(ENGLISH)
    assert {entry["kind"] for entry in requests} == {"shell"}
    assert {entry["resource"] for entry in requests} == {CMD}
    actions = [f"{TRANSFER}/Create", f"{SHELL}/Command", f"{SHELL}/Receive", f"{SHELL}/Signal", f"{TRANSFER}/Delete"]
    assert [entry["action"] for entry in requests] == actions


def test_pywinrm_is_told_what_went_wrong(lab: Lab) -> None:
    done = session(lab, ENGLISH).run_cmd("nonsense", ["/now"])
    assert (done.status_code, done.std_out) == (1, b"")
    assert done.std_err.startswith(b"'nonsense' is not recognized as an internal or external command,")
    assert session(lab, ENGLISH).run_cmd("exit 42").status_code == 42


def test_powershell_is_not_there(lab: Lab) -> None:
    done = session(lab, ENGLISH).run_ps("Get-CimInstance SoftwareLicensingService")
    assert done.status_code == 1
    assert b"does not simulate PowerShell" in done.std_err


@pytest.mark.parametrize(("page", "codec"), [(437, "cp437"), (850, "cp850"), (1252, "cp1252"), (65001, "utf-8")])
def test_umlauts_survive_the_code_page(lab: Lab, page: int, codec: str) -> None:
    protocol = pywinrm(lab, GERMAN)
    shell = protocol.open_shell(codepage=page)
    command = protocol.run_command(shell, "cscript", ["//nologo", SCRIPT, "/dlv"])
    stdout, _ignored, code = protocol.get_command_output(shell, command)
    protocol.close_shell(shell)
    assert code == 0
    lines = stdout.decode(codec).split("\r\n")
    assert "Lizenzstatus: Lizenziert" in lines
    assert "Schlüsselverwaltungsdienst-Clientinformationen" in lines
    assert any(line.startswith("Vertrauenswürdige Zeit: 05.10.2026 ") for line in lines)


def test_a_reader_gets_no_shell(lab: Lab) -> None:
    with pytest.raises(WinrmFault) as caught:
        pywinrm(lab, ENGLISH, READER, READER_PASSWORD).open_shell()
    assert caught.value.wsman_fault_code == ACCESS_DENIED
    assert [(entry["kind"], entry["status"]) for entry in lab.requests(ENGLISH)] == [("shell", 500)]


def test_what_is_not_there(lab: Lab) -> None:
    protocol = pywinrm(lab, ENGLISH)
    shell = protocol.open_shell()
    with pytest.raises(WinrmFault) as caught:
        protocol.get_command_output(shell, "00000000-0000-0000-0000-000000000000")
    assert caught.value.wsman_fault_code == INVALID_SELECTORS
    protocol.close_shell(shell, close_session=False)
    with pytest.raises(WinrmFault) as caught:
        protocol.run_command(shell, "hostname")
    assert caught.value.wsman_fault_code == INVALID_SELECTORS


def test_a_user_has_thirty_shells(lab: Lab) -> None:
    protocol = pywinrm(lab, HOST)
    shells = [protocol.open_shell() for _ignored in range(30)]
    assert lab.machine(HOST)["open_shells"] == 30
    with pytest.raises(WinrmFault) as caught:
        protocol.open_shell()
    assert caught.value.wmierror_code == SHELL_QUOTA
    for shell in shells:
        protocol.close_shell(shell, close_session=False)
    assert lab.machine(HOST)["open_shells"] == 0


def test_input_is_taken_and_ignored(lab: Lab) -> None:
    protocol = pywinrm(lab, ENGLISH)
    shell = protocol.open_shell()
    command = protocol.run_command(shell, "hostname")
    protocol.send_command_input(shell, command, "text", end=True)
    assert protocol.get_command_output(shell, command) == (f"{ENGLISH}\r\n".encode(), b"", 0)
    protocol.cleanup_command(shell, command)
    with pytest.raises(WinrmFault):
        protocol.get_command_output(shell, command)
    protocol.close_shell(shell)


# -- pypsrp ---------------------------------------------------------------------------------------------------------


def test_pypsrps_shell(lab: Lab) -> None:
    with pypsrp(lab, HOST) as wsman, WinRS(wsman, codepage=65001, working_directory=r"C:\Windows\System32") as shell:
        assert vars(shell)["owner"] == f"{HOST.upper()}\\{USER}"
        report = Process(shell, "cscript.exe", ["//nologo", "slmgr.vbs", "/dlv"])
        report.invoke()
        name = Process(shell, "hostname")
        name.invoke()
        report.signal(SignalCode.TERMINATE)
        assert lab.machine(HOST)["open_shells"] == 1
    assert (report.rc, report.stderr) == (0, b"")
    lines = report.stdout.decode().split("\r\n")
    assert "Key Management Service is enabled on this machine" in lines
    assert f"    Current count: {lab.machine(HOST)['host']['current_count']}" in lines
    assert (name.rc, name.stdout) == (0, f"{HOST}\r\n".encode())
    assert lab.machine(HOST)["open_shells"] == 0


def test_pypsrp_fetches_a_long_output_in_parts(lab: Lab) -> None:
    with pypsrp(lab, GERMAN) as wsman, WinRS(wsman) as shell:
        line = "&".join(["x" * 500] * 80)
        unknown = Process(shell, f'"{line}"')
        unknown.invoke()
    assert unknown.rc == 1
    assert line.encode() in unknown.stderr.replace(b"\r\n", b"")
    assert sum(entry["action"].endswith("/Receive") for entry in lab.requests(GERMAN)) == 2


def test_pypsrp_without_a_code_page_gets_the_machines(lab: Lab) -> None:
    with pypsrp(lab, GERMAN) as wsman, WinRS(wsman) as shell:
        report = Process(shell, "cscript", ["//nologo", SCRIPT, "/dli"])
        report.invoke()
    assert "Schlüsselverwaltungsdienst" in report.stdout.decode("cp850")


def test_a_shell_is_forgotten_when_it_idles(lab: Lab) -> None:
    with pypsrp(lab, ENGLISH) as wsman:
        shell = WinRS(wsman, idle_time_out=0)
        shell.open()
        assert lab.machine(ENGLISH)["open_shells"] == 0
        with pytest.raises(PsrpFault) as caught:
            shell.close()
        assert caught.value.code == INVALID_SELECTORS


# -- pytest-testinfra -----------------------------------------------------------------------------------------------


@pytest.fixture
def trust(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab's authority is one of the controller's."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", lab.info["ca_file"])


@pytest.mark.usefixtures("trust")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_testinfra_runs_slmgr(lab: Lab, scheme: str) -> None:
    option = "?no_ssl=true" if scheme == "http" else ""
    host = testinfra.get_host(f"winrm://{USER}:{PASSWORD}@127.0.0.1:{port(lab, ENGLISH, scheme)}{option}")
    done = host.run("cscript //nologo %s /xpr", SCRIPT)
    assert done.rc == 0
    assert done.stdout.startswith("Windows(R), Enterprise edition:\r\n    Volume activation will expire ")
    assert "License Status: Licensed\r\n" in host.check_output(f"cscript //nologo {SCRIPT} /dlv")
    assert host.run_expect([1], "powershell -Command exit").failed
    assert {entry["kind"] for entry in lab.requests(ENGLISH)} == {"shell"}


def test_testinfra_on_a_german_machine(lab: Lab) -> None:
    host = testinfra.get_host(f"winrm://{USER}:{PASSWORD}@127.0.0.1:{port(lab, GERMAN)}?no_ssl=true")
    done = host.run(f"cscript //nologo {SCRIPT} /dli")
    # Its shells have the code page 437; what is not ASCII, one has to decode.
    lines = done.stdout_bytes.decode("cp437").split("\r\n")
    assert "Lizenzstatus: Lizenziert" in lines
    assert "Schlüsselverwaltungsdienst-Clientinformationen" in lines
    assert host.run("hostname").stdout.strip() == GERMAN


def test_a_port_of_ones_own_is_that_machines_alone(lab: Lab) -> None:
    assert session(lab, HOST).run_cmd("hostname").std_out.strip() == HOST.encode()
    assert session(lab, GERMAN).run_cmd("hostname").std_out.strip() == GERMAN.encode()
