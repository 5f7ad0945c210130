# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The argument spec of every module on Windows, in one place; a test compares it with the documentation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Options = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class ArgumentSpec:
    """What ansible-core's ArgumentSpecValidator takes."""

    options: Options
    mutually_exclusive: list[tuple[str, ...]] = field(default_factory=list)
    required_one_of: list[tuple[str, ...]] = field(default_factory=list)


def _product_options() -> Options:
    return {
        "application": {"type": "str", "choices": ["windows", "office"], "default": "windows"},
        "activation_id": {"type": "str"},
        "data_directory": {"type": "path"},
    }


PRODUCT_KEY = ArgumentSpec(
    options={
        **_product_options(),
        "key": {"type": "str", "no_log": True},
        "gvlk": {"type": "bool", "default": False},
        "key_channel": {"type": "str", "choices": ["gvlk", "csvlk", "mak", "retail"], "no_log": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "clear_from_registry": {"type": "bool", "default": False},
        "allow_downgrade": {"type": "bool", "default": False},
    },
    mutually_exclusive=[("key", "gvlk")],
)

ACTIVATION = ArgumentSpec(
    options={**_product_options(), "fail_when_pending": {"type": "bool", "default": False}},
)

CLIENT = ArgumentSpec(
    options={
        **_product_options(),
        "key": {"type": "str", "no_log": True},
        "gvlk": {"type": "bool", "default": False},
        "key_channel": {"type": "str", "choices": ["gvlk", "mak"], "default": "gvlk", "no_log": False},
        "server": {"type": "str"},
        "port": {"type": "int"},
        "discover": {"type": "bool", "default": False},
        "lookup_domain": {"type": "str"},
        "host_caching": {"type": "bool"},
        "activation_type": {"type": "str", "choices": ["any", "ad", "kms", "token"]},
        "activate": {"type": "bool", "default": False},
        "leave_alone": {"type": "list", "elements": "str", "choices": ["csvlk", "mak", "retail", "oem"], "default": []},
        "fail_when_pending": {"type": "bool", "default": False},
        "allow_downgrade": {"type": "bool", "default": False},
    },
    mutually_exclusive=[("key", "gvlk"), ("server", "discover"), ("port", "discover")],
)

HOST = ArgumentSpec(
    options={
        **_product_options(),
        "key": {"type": "str", "no_log": True},
        "activate": {"type": "bool", "default": False},
        "port": {"type": "int"},
        "activation_interval": {"type": "int"},
        "renewal_interval": {"type": "int"},
        "dns_publishing": {"type": "bool"},
        "publish_domains": {
            "type": "list",
            "elements": "dict",
            "options": {
                "domain": {"type": "str", "required": True},
                "priority": {"type": "int", "default": 0},
                "weight": {"type": "int", "default": 0},
            },
        },
        "low_priority": {"type": "bool"},
        "firewall": {"type": "bool"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "allow_downgrade": {"type": "bool", "default": False},
    },
)


def _srv_options() -> Options:
    return {
        "port": {"type": "int"},
        "priority": {"type": "int", "default": 0},
        "weight": {"type": "int", "default": 0},
    }


# The same names and defaults as those of srv_record, as far as they apply.
WINDOWS_SRV_RECORD = ArgumentSpec(
    options={
        "domain": {"type": "str"},
        "zone": {"type": "str"},
        "target": {"type": "str"},
        "records": {
            "type": "list",
            "elements": "dict",
            "options": {"target": {"type": "str", "required": True}, **_srv_options()},
        },
        "exclusive": {"type": "bool", "default": False},
        **_srv_options(),
        "ttl": {"type": "int"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    },
    mutually_exclusive=[("target", "records")],
    required_one_of=[("target", "records")],
)

LICENSE_INFO = ArgumentSpec(
    options={
        **_product_options(),
        "application": {"type": "str", "choices": ["windows", "office", "all"], "default": "windows"},
    },
)
