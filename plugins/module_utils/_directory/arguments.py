# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of all modules that ask the directory, as an argument spec has them.

No library stands behind them: what a controller imports is copied into the worker of every host.
"""

from __future__ import annotations

from typing import Any

from .._dns.kerberos_arguments import KERBEROS_ARGUMENTS

LDAPS = "ldaps"
STARTTLS = "starttls"
SASL = "sasl"
#: How a connection is encrypted -> its port.
PORTS = {LDAPS: 636, STARTTLS: 389, SASL: 389}

ARGUMENTS: dict[str, dict[str, Any]] = {
    "ldap_server": {"type": "list", "elements": "str"},
    "ldap_domain": {"type": "str"},
    "ldap_port": {"type": "int"},
    "ldap_tls": {"type": "str", "choices": list(PORTS), "default": LDAPS},
    "ldap_ca_file": {"type": "str"},
    "ldap_validate_certs": {"type": "bool", "default": True},
    "ldap_timeout": {"type": "int", "default": 10},
    "ldap_user": {"type": "str"},
    "ldap_password": {"type": "str", "no_log": True},
    **KERBEROS_ARGUMENTS,
}
