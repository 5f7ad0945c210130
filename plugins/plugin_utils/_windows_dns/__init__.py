# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SRV records on a Windows DNS server, through its WMI provider (root/MicrosoftDNS). Nothing here imports Ansible.

What has to be changed is decided by `module_utils/_dns`, so that it is the same as with DNS updates. Each module stands
on those named before it: `schema`, `errors`, `options`, `server`, `ensure`, `report`.
"""

from __future__ import annotations
