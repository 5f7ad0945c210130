# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One TLS context for all hosts of a process whose certificates are checked by the same file of CA certificates.

requests and urllib3 read that file for every connection, or that of the system where no certificate is checked at all.
With the usual 140 authorities that takes several times as long as all else that a host needs.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from ssl import CERT_NONE, SSLContext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests import Session

try:
    from requests.adapters import HTTPAdapter
    from requests.utils import DEFAULT_CA_BUNDLE_PATH
    from urllib3.util.ssl_ import create_urllib3_context
except ImportError:
    # Without it there is no session either; the transports say what is missing.
    HTTPAdapter = object  # type: ignore[assignment,misc]

__all__ = ["share_trust"]

_LOADING = threading.Lock()


def share_trust(session: Session) -> None:
    """Have the session use a context that other sessions use too, where that makes no other difference.

    Not with a certificate of the client, which would become part of the context; nor once there is a connection, which
    an encrypted log-on belongs to.
    """
    adapter = session.adapters.get("https://")
    # An adapter of another class has ideas of its own.
    if adapter is None or adapter.__class__ is not HTTPAdapter or adapter.poolmanager.pools or adapter.proxy_manager:
        return
    authorities = DEFAULT_CA_BUNDLE_PATH if session.verify is True else session.verify
    if session.cert or (authorities and not Path(authorities).is_file()):
        return
    try:
        with _LOADING:
            context = _trusting(authorities or None)
    except OSError:
        # requests says what is wrong with the file, as ever.
        return
    session.mount("https://", _SharedTrust(context, max_retries=adapter.max_retries))


@lru_cache(maxsize=8)
def _trusting(authorities: str | None) -> SSLContext:
    if authorities is None:
        return create_urllib3_context(cert_reqs=CERT_NONE)
    context = create_urllib3_context()
    context.load_verify_locations(authorities)
    return context


class _SharedTrust(HTTPAdapter):
    def __init__(self, context: SSLContext, **options: Any) -> None:
        self._context = context
        super().__init__(**options)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **options)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        return super().proxy_manager_for(*args, ssl_context=self._context, **options)

    def cert_verify(self, conn: Any, *args: Any, **options: Any) -> None:
        super().cert_verify(conn, *args, **options)  # type: ignore[no-untyped-call]
        # Else it is read into the context once more.
        conn.ca_certs = conn.ca_cert_dir = None
