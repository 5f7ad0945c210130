# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The argument spec of every module on Windows, in one place; a test compares it with the documentation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...module_utils._directory.arguments import ARGUMENTS as DIRECTORY_OPTIONS

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
    options={
        **_product_options(),
        "confirmation_id": {"type": "str"},
        "confirmation_file": {"type": "path"},
        "fail_when_pending": {"type": "bool", "default": False},
    },
    mutually_exclusive=[("confirmation_id", "confirmation_file")],
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

REARM = ArgumentSpec(
    options={
        **_product_options(),
        "scope": {"type": "str", "choices": ["windows", "application", "product"], "default": "windows"},
        "application_id": {"type": "str"},
        "if_client_machine_id": {"type": "list", "elements": "str"},
        "if_days_left_below": {"type": "int", "default": 1},
        "force": {"type": "bool", "default": False},
        "keep": {"type": "int", "default": 1},
    },
)

LICENSE_FILE = ArgumentSpec(
    options={
        **_product_options(),
        "path": {"type": "list", "elements": "str"},
        "directory": {"type": "list", "elements": "str"},
        "content": {"type": "str"},
        "force": {"type": "bool", "default": False},
    },
    required_one_of=[("path", "directory", "content")],
)

TOKEN_LICENSE = ArgumentSpec(
    options={
        **_product_options(),
        "ilid": {"type": "str", "required": True},
        "ilvid": {"type": "int", "required": True},
        "state": {"type": "str", "choices": ["absent"], "default": "absent"},
    },
)

TOKEN_LICENSE_INFO = ArgumentSpec(options=_product_options())

AD_ACTIVATION = ArgumentSpec(
    options={
        "key": {"type": "str", "no_log": True, "required": True},
        "name": {"type": "str"},
        "offline": {"type": "bool", "default": False},
        "confirmation_id": {"type": "str"},
        "verify": {"type": "bool", "default": True},
        **DIRECTORY_OPTIONS,
    },
)

PREFLIGHT_INFO = ArgumentSpec(
    options={
        **_product_options(),
        "role": {"type": "str", "choices": ["host", "client"], "required": True},
        "name": {"type": "str"},
        "skip_licensed": {"type": "bool", "default": False},
        "kms_hosts": {"type": "list", "elements": "dict"},
        "server": {"type": "str"},
        "port": {"type": "int"},
        "discover": {"type": "bool", "default": False},
        "activation_type": {"type": "str", "choices": ["any", "ad", "kms", "token"]},
        "firewall": {"type": "bool", "default": False},
    },
    mutually_exclusive=[("server", "discover"), ("port", "discover")],
)

HOST_REQUESTS_INFO = ArgumentSpec(
    options={
        "side": {"type": "str", "choices": ["host", "client"], "default": "host"},
        "hours": {"type": "int", "default": 24},
        "since": {"type": "str"},
        "until": {"type": "str"},
        "limit": {"type": "int", "default": 1000},
        "data_directory": {"type": "path"},
    },
    mutually_exclusive=[("hours", "since")],
)

FLEET_REPORT = ArgumentSpec(
    options={
        "hosts": {"type": "list", "elements": "str"},
        "groups": {"type": "list", "elements": "str", "default": []},
        "concurrency": {"type": "int", "default": 100},
        "processes": {"type": "int"},
        "host_timeout": {"type": "int", "default": 60},
        "time_limit": {"type": "int"},
        "state_file": {"type": "path"},
        "max_age": {"type": "int", "default": 60},
        "expiring_days": {"type": "int", "default": 30},
        "domains": {"type": "list", "elements": "str", "default": []},
        "dns_server": {"type": "str"},
        "dns_port": {"type": "int", "default": 53},
        "most_listed": {"type": "int", "default": 20},
        "title": {"type": "str", "default": "KMS fleet report"},
        "json_lines": {"type": "path"},
        "csv": {"type": "path"},
        "html": {"type": "path"},
        "json": {"type": "path"},
        "prometheus": {"type": "path"},
        "compare_with": {"type": "path"},
        "fail_when": {"type": "list", "elements": "str", "default": []},
    },
)
