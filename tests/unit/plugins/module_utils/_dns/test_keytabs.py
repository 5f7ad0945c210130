# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keytabs as text."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns.keytabs import as_keytab, decode_text

KEYTAB = bytes([5, 2, 0, 0, 0, 0x42]) + bytes(range(256))


@pytest.mark.parametrize(
    "encode", [base64.b64encode, base64.encodebytes, lambda data: b"\r\n " + base64.b64encode(data)]
)
@pytest.mark.parametrize("prefix", ["", "FILE:"])
def test_text_is_decoded_into_a_file_of_its_own(tmp_path: Path, encode: object, prefix: str) -> None:
    assert callable(encode)
    source = tmp_path / "text"
    source.write_bytes(encode(KEYTAB))
    folder = tmp_path / "module"
    folder.mkdir()
    copy = Path(as_keytab(f"{prefix}{source}", str(folder)))
    assert copy.parent == folder
    assert copy.read_bytes() == KEYTAB
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", [KEYTAB, b"", b"no base64!", base64.b64encode(b"something else"), base64.b64encode(KEYTAB)[:-1]]
)
def test_anything_else_is_left_to_kerberos(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "keytab"
    source.write_bytes(content)
    assert as_keytab(str(source), str(tmp_path)) == str(source)
    assert [path.name for path in tmp_path.iterdir()] == ["keytab"]
    assert decode_text(content) is None


@pytest.mark.parametrize("path", ["/does/not/exist", "FILE:/does/not/exist", "MEMORY:name", "SRVTAB:x"])
def test_what_is_no_file_stays(tmp_path: Path, path: str) -> None:
    assert as_keytab(path, str(tmp_path)) == path
