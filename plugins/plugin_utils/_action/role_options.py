# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with the options of a role, found before anything is sent.

An option that is empty counts as not given.  The check of arguments by ansible-core knows no empty number, boolean or
list of dictionaries, so the roles leave these to the kinds here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.winops.kms.plugins.module_utils._dns.errors import InputError
from ansible_collections.winops.kms.plugins.module_utils._dns.names import (
    checked_name,
    domain_name,
    is_address,
    server_name,
)

from .._licensing.client import check_server_name
from .._licensing.errors import InvalidOption
from .._licensing.host import check_publish_domains
from .._licensing.keys import ProductKey
from .._licensing.publishing import PublishDomain
from .._licensing.reading import parse_guid
from .._licensing.settings import INTERVAL_RANGE, PORT_RANGE

#: The largest time and number of times that makes sense anywhere: a week of seconds.
_MOST = 7 * 24 * 60 * 60
_WORD_BREAK = re.compile(r"[\s,;]+")
_SERIAL = re.compile(r"[0-9]+|(?:100|[1-9]?[0-9])%")
_FILE_MODE = re.compile(r"[0-7]{3,4}|[ugoa]*[-+=][rwxXst]*(?:,[ugoa]*[-+=][rwxXst]*)*")


class _Wrong(Exception):
    """What is wrong; it begins with `it` or `this`, or names the value."""


def is_empty(value: Any) -> bool:
    """Whether an option with this value counts as not given: an empty text or nothing, but not an empty list."""
    return value is None or (isinstance(value, str) and value == "")


def words(value: Any) -> list[Any]:
    """A list, or one that is written as text: by commas, semicolons, blanks or lines."""
    if isinstance(value, str):
        return [word for word in _WORD_BREAK.split(value) if word]
    if not isinstance(value, Sequence):
        raise _Wrong("it is no list")
    return list(value)


def _whole_number(low: int, high: int) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        text = str(value).strip()
        number = None if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]+", text) else int(text)
        if number is None or not low <= number <= high:
            raise _Wrong(f"{text!r} is no whole number from {low} to {high}")

    return check


def _flag(value: Any) -> None:
    try:
        boolean(value)
    except TypeError:
        raise _Wrong(f"{str(value)!r} is neither true nor false") from None


def _text(value: Any) -> None:
    if isinstance(value, (Mapping, list, tuple)):
        raise _Wrong("it is no text")


def _choice(choices: Sequence[str]) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if value not in choices:
            raise _Wrong(f"{str(value)!r} is none of {', '.join(choices)}")

    return check


def _key(value: Any) -> None:
    ProductKey.parse(str(value))


def _host_key(value: Any) -> None:
    if ProductKey.parse(str(value)).is_gvlk:
        raise _Wrong("this is a public client setup key, not the KMS host key (CSVLK) of your organisation")


def _guid(value: Any) -> None:
    if parse_guid(str(value)) is None:
        raise _Wrong(f"{str(value)!r} is no activation ID, which is a GUID")


def _kms_server(value: Any) -> None:
    check_server_name(str(value))


def _zone(value: Any) -> None:
    domain_name(str(value), "")


def _zone_entry(value: Any) -> None:
    """A zone by its name.  The role itself says what is wrong with other entries."""
    if isinstance(value, str):
        domain_name(value, "")
    elif isinstance(value, Mapping):
        for name in ("zone", "domain"):
            if not is_empty(value.get(name)):
                domain_name(str(value[name]), "")
        for name in ("priority", "weight"):
            if not is_empty(value.get(name)):
                _whole_number(0, 65535)(value[name])


def _host_name(value: Any) -> None:
    checked_name(str(value), "")
    if is_address(str(value)):
        raise _Wrong(f"{str(value)!r} is an address, and the name of the host is needed")


def _dns_server(value: Any) -> None:
    if isinstance(value, Mapping):
        if is_empty(value.get("server")) or set(value) - {"server", "port"}:
            raise _Wrong("an entry is neither a name or an address, nor a dictionary of server and port")
        if not is_empty(value.get("port")):
            _whole_number(*PORT_RANGE)(value["port"])
        value = value["server"]
    server_name(str(value))


def _publish_domains(value: Any) -> None:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _Wrong("it is no list of dictionaries with domain, priority and weight")
    for entry in value:
        if not isinstance(entry, Mapping) or is_empty(entry.get("domain")):
            raise _Wrong("an entry is no dictionary with a domain")
        if unknown := sorted(set(entry) - {"domain", "priority", "weight"}):
            raise _Wrong(f"an entry has {', '.join(unknown)}, and may have domain, priority and weight")
        for name in ("priority", "weight"):
            _whole_number(0, 65535)(entry.get(name, 0))
    check_publish_domains(
        [
            PublishDomain.of(str(entry["domain"]), int(entry.get("priority", 0)), int(entry.get("weight", 0)))
            for entry in value
        ]
    )


def _serial(value: Any) -> None:
    if not _SERIAL.fullmatch(str(value)):
        raise _Wrong(f"{str(value)!r} is neither a number of machines nor a part of them, such as 25%")


def _file_mode(value: Any) -> None:
    if not _FILE_MODE.fullmatch(str(value)):
        raise _Wrong(f"{str(value)!r} is no mode of a file; write it as text, such as '0640'")


def _each(check: Callable[[Any], None]) -> Callable[[Any], None]:
    def check_all(value: Any) -> None:
        for entry in words(value):
            check(entry)

    return check_all


#: Kind of an option -> what raises for a wrong value.  A kind that is a list has the choices.
KINDS: dict[str, Callable[[Any], None]] = {
    "flag": _flag,
    "text": _text,
    "port": _whole_number(*PORT_RANGE),
    "minutes": _whole_number(*INTERVAL_RANGE),
    "word16": _whole_number(0, 65535),
    "seconds": _whole_number(0, _MOST),
    "times": _whole_number(0, _MOST),
    "ttl": _whole_number(0, 2**31 - 1),
    "key": _key,
    "host_key": _host_key,
    "host_keys": _each(_host_key),
    "guid": _guid,
    "kms_server": _kms_server,
    "zone": _zone,
    "zones": _each(_zone_entry),
    "host_name": _host_name,
    "host_names": _each(_host_name),
    "dns_server": _dns_server,
    "dns_servers": _each(_dns_server),
    "publish_domains": _publish_domains,
    "texts": _each(_text),
    "file_mode": _file_mode,
    "serial": _serial,
    "facts": lambda value: None,
}


def problems(kinds: Mapping[str, str | Sequence[str]], values: Mapping[str, Any]) -> list[str]:
    """One sentence for each option that is wrong; a value is repeated only where it is no secret.

    :param kinds: option -> its kind, a key of `KINDS`, or the list of its choices.
    :param values: option -> what is given.  What is empty is not given.
    """
    found = []
    for option, kind in kinds.items():
        value = values.get(option)
        if is_empty(value):
            continue
        check = KINDS[kind] if isinstance(kind, str) else _choice(kind)
        try:
            check(value)
        except _Wrong as error:
            found.append(f"{option}: {error}. Give another value, or leave it empty for the default.")
        except InvalidOption as error:
            found.append(f"{option}: {str(error).removeprefix(f'{error.option}: ').rstrip('.')}.")
        except InputError as error:
            found.append(f"{option}: {str(error).removeprefix(f'Option {error.option}: ')}")
    return found
