# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What a KMS client would find for a DNS domain, and what is wrong with it. Nothing here imports Ansible.

Each module stands on those named before it: `lookup` asks the DNS, `probe` asks a host, `survey` does both for several
domains at once, `findings` judges what came out.
"""
