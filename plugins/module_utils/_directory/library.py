# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""ldap3 behind one import, so that a missing library is a message to the user and not a traceback.

`ldap3` is only looked at inside functions; importing this package never fails. Callers ask `problem()` first.

The package: activation objects in Active Directory, over LDAP by ldap3. Nothing in it imports Ansible.
Each module stands on those named before it: `library`, `errors`, `names`, `arguments`, `tls`, `kerberos`,
`connection`, `objects`, `options`.
"""

from __future__ import annotations

import traceback

try:
    import ldap3
    import ldap3.core.exceptions
    import ldap3.protocol.sasl.sasl
    import ldap3.utils.conv
    import ldap3.utils.dn
except ImportError:
    IMPORT_TRACEBACK: str | None = traceback.format_exc()
    ldap3 = None
else:
    IMPORT_TRACEBACK = None

REQUIREMENT = "ldap3 >= 2.9"


def problem() -> str | None:
    """What keeps this package from working: a traceback, or None when all is well."""
    return IMPORT_TRACEBACK


__all__ = ["IMPORT_TRACEBACK", "REQUIREMENT", "ldap3", "problem"]
