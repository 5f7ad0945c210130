# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A callback that notes the action and the resource of every WS-Management request, to the file WATCH_REQUESTS_IN.

It looks over the shoulder of pywinrm and pypsrp, below anything that the collection does.  The workers of Ansible are
forked from the process in which this runs, so what is put into the libraries here is in them, too.
"""

from __future__ import annotations

import importlib
import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: watch_requests
type: aggregate
short_description: Note every WS-Management request
description: For the live tests of this collection.
requirements: [the environment variable WATCH_REQUESTS_IN]
"""

# Library -> the class and method through which every message goes, before it is encrypted.
_WATCHED = (
    ("winrm.transport", "Transport", "send_message"),
    ("pypsrp.wsman", "_TransportHTTP", "send"),
)


class CallbackModule(CallbackBase):
    """One line per request: action and resource; never a body."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "watch_requests"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for module, class_name, method in _WATCHED:
            try:
                owner = getattr(importlib.import_module(module), class_name)
            except ImportError:
                continue
            setattr(owner, method, _watched(getattr(owner, method), os.environ["WATCH_REQUESTS_IN"]))


def _watched(send: Callable[..., Any], path: str) -> Callable[..., Any]:
    def watching(self: Any, message: Any, *args: Any, **kwargs: Any) -> Any:
        envelope = ET.fromstring(message)
        found = {
            name: next((e.text for e in envelope.iter() if str(e.tag).endswith("}" + name)), "")
            for name in ("Action", "ResourceURI")
        }
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"action": found["Action"], "resource": found["ResourceURI"]}) + "\n")
        return send(self, message, *args, **kwargs)

    return watching
