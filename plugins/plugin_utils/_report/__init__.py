# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a fleet: results of license_info in, a summary of plain types out, and that as page, table or JSON.

Pure functions on plain values; no Ansible and no I/O but reading the style and the script of the page.

    rows = [row for host, result in results.items() for row in rows_of(host, result)]      # rows.py
    report = build_report(results, title="...", time="...")                                # document.py
    text = render(report, "html")                                                           # render.py
"""
