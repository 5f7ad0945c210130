# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""dnspython behind one import, so that a missing library is a message to the user and not a traceback.

`dns` is only looked at inside functions; importing this package never fails. Callers ask `problem()` first.

The package: SRV record sets and RFC 2136 dynamic updates over TCP, by dnspython. Nothing in it imports Ansible.
Each module stands on those named before it: `library`, `errors`, `names`, `records`, `credentials`, `exchange`,
`kerberos_errors`, `kerberos_arguments`, `gss`, `zone`, `update`.
"""

from __future__ import annotations

import traceback

try:
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.opcode
    import dns.rcode
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype
    import dns.rdtypes.ANY.TKEY
    import dns.resolver
    import dns.rrset
    import dns.tsig
    import dns.update
    import dns.version
except ImportError:
    IMPORT_TRACEBACK: str | None = traceback.format_exc()
    dns = None  # type: ignore[assignment]
else:
    IMPORT_TRACEBACK = None

# The oldest release that every part of this package was run on.
MINIMUM = (2, 1)
REQUIREMENT = "dnspython >= 2.1"


def problem() -> str | None:
    """What keeps this package from working: a traceback, a sentence, or None when all is well."""
    if IMPORT_TRACEBACK is not None:
        return IMPORT_TRACEBACK
    found = (dns.version.MAJOR, dns.version.MINOR)
    if found < MINIMUM:
        return f"dnspython {dns.version.version} was found."
    return None


__all__ = ["IMPORT_TRACEBACK", "MINIMUM", "REQUIREMENT", "dns", "problem"]
