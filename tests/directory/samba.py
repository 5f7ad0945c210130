# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Samba as an Active Directory domain controller: its LDAP server, with TLS and Kerberos, on an address of its own.

Samba listens on the ports 389 and 636 alone, so that it gets a loopback address that nobody else uses.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ansible_collections.winops.kms.tests.dns_servers.base import Process, find_program

REALM = "LAB.TEST"
BASE = "DC=lab,DC=test"
CONTAINER = f"CN=Activation Objects,CN=Microsoft SPP,CN=Services,CN=Configuration,{BASE}"
ADMINISTRATOR = "LAB\\Administrator"
ADMINISTRATOR_PASSWORD = "Passw0rd.Administrator"
READER = "reader@lab.test"
READER_PASSWORD = "Passw0rd.reader"

# The databases need not outlive a power cut.
_QUICK = {"TDB_NO_FSYNC": "1"}
# What adprep (forest-wide operations 91 and 92) makes and Samba 4.17 leaves out.
_CONTAINERS = f"""\
dn: CN=Microsoft SPP,CN=Services,CN=Configuration,{BASE}
objectClass: container
showInAdvancedViewOnly: TRUE

dn: {CONTAINER}
objectClass: msSPP-ActivationObjectsContainer
showInAdvancedViewOnly: TRUE
"""


class SambaDirectory:
    """The domain lab.test with its domain controller dc1.lab.test, running while it is used as a context manager.

    Needs root. Accounts: the administrator, and `reader`, who may read like everybody.
    address: where LDAP (389) and LDAPS (636) listen; its certificate is for that address, `localhost` and dc1.lab.test.
    ca_file, other_ca_file: the authority of the certificate, and one that has nothing to do with it.
    krb5_config: for KRB5_CONFIG; keytab: of the reader.
    """

    host = "dc1.lab.test"

    def __init__(self) -> None:
        self.directory = Path()
        self.address = ""
        self._stack = contextlib.ExitStack()

    @property
    def ca_file(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def other_ca_file(self) -> Path:
        return self.directory / "other-ca.pem"

    @property
    def krb5_config(self) -> Path:
        return self.directory / "krb5.conf"

    @property
    def keytab(self) -> Path:
        return self.directory / "reader.keytab"

    def __enter__(self) -> SambaDirectory:
        with contextlib.ExitStack() as stack:
            self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="winops-kms-directory-")))
            self.address = free_address(389, 636, 88, 464)
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def _start(self, stack: contextlib.ExitStack) -> None:
        own = self.directory
        self._tool(
            *("domain", "provision", f"--realm={REALM}", "--domain=LAB", "--server-role=dc", "--dns-backend=NONE"),
            *(f"--adminpass={ADMINISTRATOR_PASSWORD}", "--host-name=dc1", f"--host-ip={self.address}"),
            *(f"--targetdir={own}/dc", f"--option=interfaces={self.address}/8", "--option=bind interfaces only=yes"),
        )
        for folder in ("run", "log"):
            (own / folder).mkdir()
        make_certificates(own, self.address, self.host)
        (own / "smb.conf").write_text(self._configuration())
        self.krb5_config.write_text(self._krb5_conf())
        database = own / "dc" / "private" / "sam.ldb"
        (own / "containers.ldif").write_text(_CONTAINERS)
        run(find_program("ldbadd", "ldb-tools"), "-H", str(database), str(own / "containers.ldif"))
        # The rights that the schema gives to everybody who is logged on; Samba 4.17 does not understand its text.
        self._tool("dsacl", "set", f"--objectdn={CONTAINER}", "--sddl=(A;CI;RPLCLORC;;;AU)")
        self._tool("user", "create", "reader", READER_PASSWORD)
        # A domain controller with DNS does that by itself.
        self._tool("spn", "add", f"ldap/{self.host}", "DC1$")
        self._tool("domain", "exportkeytab", str(self.keytab), "--principal=reader")
        samba = [find_program("samba", "samba"), "-F", "--no-process-group", "-M", "single"]
        samba += ["-s", str(own / "smb.conf")]
        process = stack.enter_context(Process(samba, environment=_QUICK))
        for port in (88, 389, 636):
            wait_for_port(process, self.address, port)

    def _tool(self, *words: str) -> None:
        environment = {**_QUICK}
        if (self.directory / "smb.conf").exists():
            environment["SMB_CONF_PATH"] = str(self.directory / "smb.conf")
        run(find_program("samba-tool", "samba-common-bin"), *words, environment=environment)

    def _configuration(self) -> str:
        own = self.directory
        settings = {
            "netbios name": "DC1",
            "realm": REALM,
            "workgroup": "LAB",
            "server role": "active directory domain controller",
            "server services": "ldap, kdc",
            "interfaces": f"{self.address}/8",
            "bind interfaces only": "yes",
            "disable netbios": "yes",
            "load printers": "no",
            # As Windows does: within TLS, Kerberos need not sign.
            "ldap server require strong auth": "allow_sasl_over_tls",
            "tls enabled": "yes",
            "tls keyfile": f"{own}/server.key",
            "tls certfile": f"{own}/server.pem",
            "tls cafile": f"{own}/ca.pem",
            "private dir": f"{own}/dc/private",
            "state directory": f"{own}/dc/state",
            "cache directory": f"{own}/dc/cache",
            "lock directory": f"{own}/dc",
            "binddns dir": f"{own}/dc/bind-dns",
            "pid directory": f"{own}/run",
            "ncalrpc dir": f"{own}/run/ncalrpc",
            "winbindd socket directory": f"{own}/run/winbindd",
            "ntp signd socket directory": f"{own}/run/ntp",
            "logging": "file",
            "log file": f"{own}/log/samba.log",
        }
        return "\n".join(["[global]", *(f"\t{name} = {value}" for name, value in settings.items()), ""])

    def _krb5_conf(self) -> str:
        return "\n".join(
            [
                "[libdefaults]",
                f"  default_realm = {REALM}",
                "  dns_lookup_kdc = false",
                "  dns_lookup_realm = false",
                "  rdns = false",
                "  dns_canonicalize_hostname = false",
                "[realms]",
                f"  {REALM} = {{",
                f"    kdc = {self.address}:88",
                "  }",
                "[domain_realm]",
                f"  .lab.test = {REALM}",
                f"  localhost = {REALM}",
                "",
            ]
        )

    # -- a client that nobody here wrote ---------------------------------------------------------------------------

    def ldapsearch(self, *attributes: str) -> str:
        """The activation objects as OpenLDAP's client shows them, over LDAPS."""
        return run(
            find_program("ldapsearch", "ldap-utils"),
            *("-LLL", "-o", "ldif-wrap=no", "-H", f"ldaps://{self.address}", "-x"),
            *("-D", ADMINISTRATOR, "-w", ADMINISTRATOR_PASSWORD, "-b", CONTAINER, "-s", "one"),
            "(objectClass=msSPP-ActivationObject)",
            *attributes,
            environment={"LDAPTLS_CACERT": str(self.ca_file), "LDAPCONF": "/dev/null"},
        )

    def clear(self) -> None:
        """Delete all activation objects."""
        found = [line.removeprefix("dn: ") for line in self.ldapsearch("dn").splitlines() if line.startswith("dn: ")]
        if found:
            run(
                find_program("ldapdelete", "ldap-utils"),
                *("-H", f"ldaps://{self.address}", "-x", "-D", ADMINISTRATOR, "-w", ADMINISTRATOR_PASSWORD),
                *found,
                environment={"LDAPTLS_CACERT": str(self.ca_file), "LDAPCONF": "/dev/null"},
            )


def run(*words: str, environment: dict[str, str] | None = None) -> str:
    """Run one command; its output. Raises RuntimeError with all that it said."""
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode:
        raise RuntimeError(f"{words[0]}, exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def free_address(*ports: int) -> str:
    """A loopback address on which none of the ports is in use."""
    for _attempt in range(100):
        address = str(ipaddress.IPv4Address("127.64.0.0") + random.randrange(1, 2**20))
        with contextlib.ExitStack() as stack:
            try:
                for port in ports:
                    stack.enter_context(socket.create_server((address, port)))
            except OSError:
                continue
            return address
    raise RuntimeError(f"no loopback address has the ports {ports} free")


def wait_for_port(process: Process, address: str, port: int) -> None:
    """Wait until a program takes connections. Raises RuntimeError if it ends before or takes too long."""
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
            return
        if process.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.command[0]} did not start:\n{''.join(process.log)}")
        time.sleep(0.02)


def make_certificates(folder: Path, address: str, host: str) -> None:
    """An authority, a certificate of it for the server, and another authority."""
    ca_key, ca = _authority("Lab directory CA")
    _write(folder / "ca.pem", ca)
    _write(folder / "other-ca.pem", _authority("Another CA")[1])
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName(host), x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(address))]
    server = (
        _builder(host, ca.subject, key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write(folder / "server.pem", server)
    path = folder / "server.key"
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )


def _authority(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        **dict.fromkeys(
            (
                "digital_signature",
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        ),
        key_cert_sign=True,
        crl_sign=True,
    )
    certificate = (
        _builder(name, subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def _builder(name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
    )


def _write(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@contextlib.contextmanager
def running() -> Iterator[SambaDirectory]:
    """A domain controller for as long as the context lasts."""
    with SambaDirectory() as directory:
        yield directory
