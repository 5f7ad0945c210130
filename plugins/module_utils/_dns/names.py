# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNS names as users write them: checked before anything is sent, with or without the final dot."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from .errors import InputError

# The service that KMS clients look up (RFC 2782 owner name prefix).
SERVICE = "_vlmcs._tcp"

# Host name labels; the underscore is not strictly allowed in host names, but Windows has machines with it.
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LONGEST_NAME = 253


def checked_name(text: str, option: str) -> str:
    name = text.removesuffix(".")
    if not name:
        raise InputError(option, "a name is needed.", "Give a DNS name such as contoso.com.")
    if not name.isascii():
        raise InputError(option, f"{text!r} has letters outside ASCII.", "Write the name in its xn-- form.")
    bad = [label for label in name.split(".") if not _LABEL.fullmatch(label)]
    if bad or len(name) > _LONGEST_NAME:
        raise InputError(
            option,
            f"{text!r} is not a DNS name.",
            "Its parts, divided by single dots, are up to 63 letters, digits, hyphens and underscores, no hyphen "
            f"first or last; the whole name has up to {_LONGEST_NAME} characters.",
        )
    return name


def is_address(text: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address (a zone index such as %eth0 is allowed)."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def domain_name(text: str, option: str) -> str:
    """A zone or a DNS domain without its final dot."""
    name = checked_name(text, option)
    if is_address(name):
        raise InputError(option, f"{text!r} is an address.", "Give a name such as contoso.com.")
    if name.lower().startswith((SERVICE + ".", "_tcp.")) or name.lower() in (SERVICE, "_tcp"):
        raise InputError(
            option,
            f"{text!r} contains the name of the service.",
            f"Give the domain that clients look in; {SERVICE} is put in front of it.",
        )
    return name


def target_name(text: str, domain: str | None = None) -> str:
    """The host that the record points to, without its final dot. A name without any dot is refused, not completed."""
    name = checked_name(text, "target")
    if is_address(name):
        raise InputError(
            "target",
            f"{text!r} is an address.",
            "An SRV record points to a host name that has an address record (RFC 2782). Give that name.",
        )
    if "." not in name:
        raise InputError(
            "target",
            f"{text!r} is not a fully qualified name.",
            f"Write it out, for example {name}.{domain or 'contoso.com'}: clients would not complete it.",
        )
    return name


def lies_in(name: str, zone: str) -> bool:
    """Whether the name is that of the zone, or one below it."""
    return f".{name}".lower().endswith(f".{zone}".lower())


def domain_of(zone: str | None, domain: str | None, targets: Iterable[str]) -> str:
    """The domain that clients look in: the one given, or else the zone, or else that of the targets. All are checked
    names."""
    if domain is None and zone is None:
        domains = {target.partition(".")[2].lower(): target.partition(".")[2] for target in targets}
        if len(domains) != 1:
            raise InputError(
                "domain",
                "it is needed, since the targets lie in different domains.",
                "Give the DNS domain that clients look in, or the zone.",
            )
        (domain,) = domains.values()
    if domain is not None and zone is not None and not lies_in(domain, zone):
        raise InputError(
            "domain",
            f"{domain} does not lie in the zone {zone}.",
            "Leave out the option zone: the zone of the domain is then found.",
        )
    return domain or zone or ""


def server_name(text: str) -> str:
    """The server as getaddrinfo takes it: an IPv4 or IPv6 address, or a host name."""
    if is_address(text):
        return text
    if ":" in text or "[" in text or "/" in text:
        raise InputError(
            "server",
            f"{text!r} is neither a host name nor an address.",
            "Give the name or the address alone; the port is the option server_port.",
        )
    return checked_name(text, "server")


def owner_name(domain: str) -> str:
    """The name of the record set that KMS clients of this domain look up."""
    return f"{SERVICE}.{domain}"
