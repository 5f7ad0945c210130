# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that name a Kerberos account, as an argument spec has them; no library stands behind them."""

from __future__ import annotations

from typing import Any

KERBEROS_ARGUMENTS: dict[str, dict[str, Any]] = {
    "gss_principal": {"type": "str"},
    "gss_password": {"type": "str", "no_log": True},
    "gss_keytab": {"type": "str", "no_log": False},
    "gss_ccache": {"type": "str"},
    "gss_hostname": {"type": "str"},
}
