# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this documentation fragment is PRIVATE to the collection.
# It can have breaking changes at any time. Do not use it from other collections.

"""What the modules have in common that ask Active Directory by LDAP: which server, encrypted how, as whom."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  ldap_server:
    description:
      - The domain controllers to ask, by name or address, without a port. The first one that can be reached is taken.
      - A certificate is for a name as a rule, and so is a Kerberos ticket. Give full host names.
      - By default they are looked up in DNS, see O(ldap_domain).
    type: list
    elements: str
  ldap_domain:
    description:
      - The DNS domain of Active Directory. Its domain controllers are found by the SRV records C(_ldap._tcp) in it.
      - Not used with O(ldap_server). One of the two is needed to ask the directory.
    type: str
  ldap_port:
    description:
      - The TCP port. The default is V(636) with O(ldap_tls=ldaps), and V(389) otherwise.
    type: int
  ldap_tls:
    description:
      - How the connection is encrypted. There is no way without encryption.
      - V(ldaps) is TLS from the start.
      - V(starttls) is TLS that is started on the port for plain LDAP.
      - V(sasl) is the encryption of Kerberos itself (sign and seal), which needs no certificate on the domain
        controller. It does not go with O(ldap_user).
    type: str
    choices: [ldaps, starttls, sasl]
    default: ldaps
  ldap_ca_file:
    description:
      - A file with the certificates (PEM) of the authorities that are trusted.
      - The default is those that the machine trusts which asks the directory.
    type: str
  ldap_validate_certs:
    description:
      - Whether the certificate of the domain controller must be right.
      - Only set this to V(false) in a test. Anyone on the way could then read O(ldap_password) and change answers.
    type: bool
    default: true
  ldap_timeout:
    description:
      - How many seconds to wait for a connection, and again for each answer.
    type: int
    default: 10
  ldap_user:
    description:
      - The account that logs on with O(ldap_password), as C(name@domain), C(DOMAIN\name) or a distinguished name.
      - Without it, the log-on is by Kerberos.
    type: str
  ldap_password:
    description:
      - The password of O(ldap_user). It is only sent within TLS.
    type: str
  gss_principal:
    description:
      - The Kerberos name of the account, as C(name@REALM). The realm of an Active Directory domain is its name in
        capitals.
      - Needed with O(gss_password). Otherwise it chooses among the accounts of the keytab or cache.
    type: str
  gss_password:
    description:
      - The password of O(gss_principal). No C(kinit) is needed, and no ticket is left behind.
    type: str
  gss_keytab:
    description:
      - The keytab with the key of the account, as a path. No ticket is left behind.
    type: str
  gss_ccache:
    description:
      - The credential cache with the ticket of the account, as made by C(kinit). A path, or a name such as
        C(KEYRING:persistent:0).
      - The default is that of the user who runs the task (see C(KRB5CCNAME)).
    type: str
  gss_hostname:
    description:
      - The full host name by which Kerberos knows the domain controller, C(ldap/host).
      - The default is O(ldap_server), or the name that was found. Needed if O(ldap_server) is an address.
    type: str
requirements:
  - ldap3 >= 2.9 where the directory is asked from
  - dnspython >= 2.1 there too, for O(ldap_domain)
  - gssapi (the Python library) there too, for a log-on by Kerberos. Debian has it as python3-gssapi. From PyPI it is
    built from source, which needs gcc and the headers of Python and MIT Kerberos (python3-dev, libkrb5-dev).
"""

    # For the modules that run where the task runs, and speak to the directory alone.
    MODULE = r"""
options: {}
attributes:
  platform:
    description: Target operating systems that can be acted upon.
    support: full
    platforms: posix
  action_group:
    description: Use C(group/winops.kms.directory) in C(module_defaults) to set options that these modules share.
    support: full
    membership:
      - winops.kms.directory
notes:
  - It runs on the controller, or on any other machine that reaches a domain controller. Use C(delegate_to) with it in a
    play for Windows hosts.
  - Domain controllers copy changes from each other, which may take minutes or hours between sites. Ask the one that was
    written to.
"""
