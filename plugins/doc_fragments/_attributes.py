# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this documentation fragment is PRIVATE to the collection.
# It can have breaking changes at any time. Do not use it from other collections.

"""The descriptions of module attributes; a module itself only states `support` and `details`."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and predict what it would change without changing it.
  diff_mode:
    description: Returns what has changed, or would change in C(check_mode), when in diff mode.
  idempotent:
    description: When run twice in a row with the same options, the second run changes nothing.
"""

    # For the modules that talk to Windows; the implementation is an action plugin.
    WINDOWS = r"""
options: {}
attributes:
  platform:
    description: Target operating systems that can be acted upon.
    support: full
    platforms: windows
  action:
    description: Has an action plugin, so that parts of its work are done on the controller.
    support: full
    details:
      - All of the work is done on the controller. No script, shell or program is started on the target.
  connection:
    description: Uses the connection that is configured for the target.
    support: partial
    details:
      - Works with the connection plugins C(ansible.builtin.winrm) and C(ansible.builtin.psrp). Their address,
        credentials, authentication, certificate, proxy and time-out options are honoured.
      - No WinRS shell and no PowerShell runspace is opened. Requests go straight to the WS-Management service.
      - Every other connection plugin is refused with an error that names these two.
  delegation:
    description: Can be used together with C(delegate_to).
    support: full
  async:
    description: Supports the C(async) keyword.
    support: none
  become:
    description: Can be used together with the C(become) keyword.
    support: none
    details:
      - Requests are made with the rights of the account of the connection, which must be an administrator
        of the target. A C(become) on the play does no harm and has no effect.
"""

    # For those of them that are about the licences of a machine, and share options.
    LICENSING = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/winops.kms.kms) in C(module_defaults) to set options that these modules share.
    support: full
    membership:
      - winops.kms.kms
"""

    # For modules whose work is to read.
    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This module reads and never writes, so that it does the same with and without C(check_mode).
  diff_mode:
    support: N/A
    details:
      - This module does not change anything.
  idempotent:
    support: full
    details:
      - This module does not change anything.
"""

    # For modules that return facts.
    FACTS = r"""
options: {}
attributes:
  facts:
    description: Returns an C(ansible_facts) dictionary that updates the facts of the host.
    support: full
"""
