# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole fleet in one pass: ask all machines at once, keep their answers, and say what they come to.

Nothing in it imports Ansible.  Each module stands on those named before it: `errors` and `answers` are what a run and
a machine come to, `asking` asks machines by threads, `processes` by several processes, `journal` keeps answers in a
file, `figures` counts them, `conditions` and `comparison` judge the counts, `prometheus` and `files` write them down.
"""
