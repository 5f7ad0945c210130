# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""SRV record sets and RFC 2136 dynamic updates over TCP, by dnspython. Nothing here imports Ansible.

Each module stands on those named before it: `library`, `errors`, `names`, `records`, `credentials`, `exchange`,
`kerberos_errors`, `gss`, `zone`, `update`.
"""
