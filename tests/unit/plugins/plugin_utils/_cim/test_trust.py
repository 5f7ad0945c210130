# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which sessions keep a TLS context of their own; test_http_transport has those that share one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter

from ansible_collections.winops.kms.plugins.plugin_utils._cim.trust import share_trust


class OtherAdapter(HTTPAdapter):
    """One of another library."""


def _connected(session: requests.Session) -> None:
    adapter = session.adapters["https://"]
    assert isinstance(adapter, HTTPAdapter)
    adapter.poolmanager.connection_from_url("https://127.0.0.1:5986/")


def _connected_by_a_proxy(session: requests.Session) -> None:
    adapter = session.adapters["https://"]
    assert isinstance(adapter, HTTPAdapter)
    adapter.proxy_manager_for("http://127.0.0.1:3128")


def _with_a_certificate(session: requests.Session) -> None:
    session.cert = ("user.pem", "user.key")


def _with_an_adapter(session: requests.Session) -> None:
    session.mount("https://", OtherAdapter())


def _with_a_folder(session: requests.Session) -> None:
    session.verify = str(Path(__file__).parent)


def _nothing(session: requests.Session) -> None:
    pass


@pytest.mark.parametrize(
    ("prepare", "shared"),
    [
        (_connected, False),
        (_connected_by_a_proxy, False),
        (_with_a_certificate, False),
        (_with_an_adapter, False),
        (_with_a_folder, False),
        (_nothing, True),
    ],
)
def test_a_session_of_its_own_kind_is_left_alone(prepare: Callable[[requests.Session], None], shared: bool) -> None:
    session = requests.Session()
    prepare(session)
    before = session.adapters["https://"]
    share_trust(session)
    assert (session.adapters["https://"] is not before) == shared


def test_retries_of_the_library_stay() -> None:
    session = requests.Session()
    session.mount("https://", HTTPAdapter(max_retries=3))
    share_trust(session)
    adapter = session.adapters["https://"]
    assert isinstance(adapter, HTTPAdapter)
    assert adapter.max_retries.total == 3
