# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this documentation fragment is PRIVATE to the collection.
# It can have breaking changes at any time. Do not use it from other collections.

"""What the modules that talk to Windows have in common: how a product is chosen, and what they need."""

from __future__ import annotations


class ModuleDocFragment:
    # Requirements and notes of every module that talks to Windows.
    DOCUMENTATION = r"""
options: {}
requirements:
  - pywinrm >= 0.4.3 on the controller, for the connection plugin C(ansible.builtin.winrm)
  - pypsrp >= 0.8.1 on the controller, for the connection plugin C(ansible.builtin.psrp)
  - Windows 8 or Windows Server 2012 or later on the target, with the WinRM service listening
notes:
  - Nothing is needed on the target but the WinRM service of Windows itself. VBScript, PowerShell and C(slmgr.vbs)
    are not used, so that the module works where these are blocked or removed, and in every display language.
  - Product keys are masked to their last five characters in everything this module returns, shows or logs,
    at any verbosity. The key that the firmware of a machine may hold is never read.
  - An unreachable host and refused credentials make the host C(unreachable). An answer of the host that
    says no, and an option that cannot be, make the task C(failed), and the error says what to do next.
"""

    # The choice of a product, for modules that act on one.
    PRODUCT = r"""
options:
  application:
    description:
      - The application whose licence is meant.
      - V(office) stands for volume editions of Office with Visio and Project. Client setup keys are known for
        Office 2016 to LTSC 2024.
    type: str
    choices: [windows, office]
    default: windows
  activation_id:
    description:
      - The activation ID of the product that is meant, as
        RV(winops.kms.license_info#module:license.activation_id) shows it.
      - Without it, the one product of O(application) is taken that has a product key and is not an add-on.
        When there are several, the module fails and lists them, unless it says what it does with several of Office.
    type: str
"""

    # Tables of the user, for modules that look something up in those of the collection.
    TABLES = r"""
options:
  data_directory:
    description:
      - A directory on the controller with tables that correct or extend those of the collection,
        C(gvlk.csv) with the client setup keys and C(hresult.csv) with the error codes and their remedies, and
        for M(winops.kms.preflight_info) C(kms_host_matrix.csv) with what KMS host keys activate,
        C(kms_host_updates.csv) with the updates that this needs and C(windows_releases.csv) with the releases.
      - A row takes the place of the row with the same product, edition and servicing channel (C(gvlk.csv)) or
        the same code (C(hresult.csv)), or is added. Of the others the rows are told apart by the key group,
        by host, client and update, and by the release. The tables are checked before anything is sent.
      - A relative path is looked for in C(files) of the role and beside the playbook.
      - To set it for all modules, use C(module_defaults) with the group C(group/winops.kms.kms).
    type: path
"""
