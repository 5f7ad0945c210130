# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Licence files (.xrm-ms) on the controller: finding, decoding and understanding them.

A file is a licence of MPEG-21 REL (`r:license`) or a group of them (`rg:licenseGroup`).  What a licence is for stands
in the `tm:infoStr` elements of its `otherInfo`, among them productSkuId, which is the activation ID of the product that
it belongs to.  Windows is given the text as it is, because its signature covers it.
"""

from __future__ import annotations

import codecs
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .._cim.envelope import MAX_ENVELOPE_SIZE, escape
from .errors import InvalidOption
from .reading import parse_guid

SUFFIX = ".xrm-ms"
_REL = "{urn:mpeg:mpeg21:2003:01-REL-R-NS}"
_INFO = "{http://www.microsoft.com/DRM/XrML2/TM/v2}infoStr"
#: What an envelope has around the text, with a margin.
_ENVELOPE = 4096
_MOST = MAX_ENVELOPE_SIZE - _ENVELOPE
_WINDOWS_PATH = re.compile(r"[A-Za-z]:|\\\\|%\w+%")
_FORBIDDEN = re.compile("<!(DOCTYPE|ENTITY)", re.IGNORECASE)
#: Byte order marks that slmgr.vbs does not know either.
_OTHER_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_BE)

_NOT_HERE = (
    "The path is one of the controller. Files of the host itself can't be read: WMI gives no access to the content of "
    "a file, and nothing is started on the host. Copy them to the controller, from an installation medium of the same "
    r"Windows or from the host's own \Windows\System32\spp\tokens"
)


@dataclass(frozen=True)
class LicenseText:
    """One licence file.  products: activation IDs of the products that its licences belong to; license_ids: of them."""

    name: str
    text: str = field(repr=False)
    products: tuple[str, ...] = ()
    license_ids: tuple[str, ...] = ()
    title: str | None = None


def read_license_files(
    paths: Iterable[str] = (), directories: Iterable[str] = (), content: str | None = None
) -> tuple[LicenseText, ...]:
    """All the licences that options name, in their order, without those that come twice.  Raises InvalidOption."""
    found = [_read(Path(path), "path") for path in paths]
    for directory in directories:
        found += [_read(path, "directory") for path in _files_below(Path(directory))]
    if content is not None:
        found.append(parse_license_text("content", content, "content"))
    if not found:
        raise InvalidOption("path", "no licence file is named")
    return tuple({one.text: one for one in reversed(found)}.values())[::-1]


def missing(option: str, path: str) -> InvalidOption:
    """The error for a path that is not on the controller."""
    return InvalidOption(option, f"there is no {path} on the controller", remedy=_NOT_HERE)


def looks_like_windows(path: str) -> bool:
    """Whether a path can only be one of a Windows host."""
    return _WINDOWS_PATH.match(path) is not None


def decode_license(data: bytes, name: str, option: str) -> str:
    """The text of a file: UTF-8 or UTF-16LE by its byte order mark, else ASCII (which UTF-8 includes)."""
    try:
        if data.startswith(codecs.BOM_UTF8):
            return data.decode("utf-8-sig")
        if data.startswith(_OTHER_MARKS):
            raise ValueError
        if data.startswith(codecs.BOM_UTF16_LE):
            return data[len(codecs.BOM_UTF16_LE) :].decode("utf-16-le")
        return data.decode("utf-8")
    except ValueError:
        raise InvalidOption(
            option,
            f"{name} is neither ASCII nor UTF-8 nor UTF-16 (little endian)",
            remedy="Copy the file again, in binary mode; a licence must not be converted",
        ) from None


def parse_license_text(name: str, text: str, option: str) -> LicenseText:
    """What a licence is for; raises InvalidOption for what is no licence, or too large to be sent."""
    try:
        size = len(escape(text, name, lines=True).encode())
        if _FORBIDDEN.search(text):
            raise ValueError("it has a document type")
        root = ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        raise _no_license(option, name, str(error)) from None
    licenses = [root] if root.tag == f"{_REL}license" else root.findall(f"{_REL}license")
    if not licenses:
        raise _no_license(option, name, "its outermost element is not that of one")
    if size > _MOST:
        raise InvalidOption(
            option,
            f"{name} takes {size} bytes to be sent, and WinRM accepts messages of {MAX_ENVELOPE_SIZE} bytes at most",
            remedy="Licence files are much smaller, as a rule; give the licences of a large group one by one",
        )
    told = [(item.get("name"), parse_guid(item.text or "")) for one in licenses for item in one.iter(_INFO)]
    products = (guid for key, guid in told if key == "productSkuId" and guid)
    identifiers = (parse_guid(one.get("licenseId") or "") for one in licenses)
    return LicenseText(
        name=name,
        text=text,
        products=tuple(dict.fromkeys(products)),
        license_ids=tuple(dict.fromkeys(guid for guid in identifiers if guid)),
        title=next((title.text for one in licenses for title in one.iter(f"{_REL}title") if title.text), None),
    )


def _no_license(option: str, name: str, why: str) -> InvalidOption:
    return InvalidOption(
        option, f"{name} is no licence file ({why})", remedy=f"Give a file of Microsoft, whose name ends in {SUFFIX}"
    )


def _files_below(directory: Path) -> list[Path]:
    if not directory.is_dir():
        raise missing("directory", str(directory))
    files = [path for path in directory.rglob("*") if path.name.lower().endswith(SUFFIX) and path.is_file()]
    if not files:
        raise InvalidOption("directory", f"{directory} has no file whose name ends in {SUFFIX}, nor have its folders")
    return sorted(files, key=lambda path: [part.lower() for part in path.relative_to(directory).parts])


def _read(path: Path, option: str) -> LicenseText:
    try:
        with path.open("rb") as file:
            # No licence is as large as that, in whatever encoding.
            data = file.read(2 * MAX_ENVELOPE_SIZE)
    except FileNotFoundError:
        raise missing(option, str(path)) from None
    except OSError as error:
        raise InvalidOption(option, f"{path} can't be read: {error.strerror}") from None
    if len(data) >= 2 * MAX_ENVELOPE_SIZE:
        raise InvalidOption(option, f"{path} is larger than any licence that WinRM accepts ({MAX_ENVELOPE_SIZE} bytes)")
    return parse_license_text(path.name, decode_license(data, path.name, option), option)
