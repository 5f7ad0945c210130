# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Activation objects in Active Directory, over LDAP by ldap3. Nothing here imports Ansible.

Each module stands on those named before it: `library`, `errors`, `names`, `tls`, `kerberos`, `connection`, `objects`,
`options`.
"""

from __future__ import annotations
