# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes out of recorded messages what tells whose they are, and refuses what it did not get out.

Two steps.  `learn` collects values, by the name of their property, by where they stand and by their shape; then `text`
and `xml` put an invented value in the place of each one, the same one everywhere, and as long as the old one where
there is room.  `leftovers` looks at the outcome with rules of its own; it names kinds and lines, never the value.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape, unescape

KEY = re.compile(r"(?<![0-9A-Za-z-])(?:[0-9A-Za-z]{5}-){4}[0-9A-Za-z]{5}(?![0-9A-Za-z-])")
GUID = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Fa-f])")
SID = re.compile(r"\bS-1-5-21-\d+-\d+-\d+(?:-\d+)?\b", re.IGNORECASE)
#: Extended product IDs, and the shorter ones of an operating system.
PRODUCT_ID = re.compile(r"\b\d{5}-\d{5}-\d{3}-\d{6}-\d{2}-\d{4,5}-\d+\.\d{4}-\d{7}\b|\b\d{5}-\d{5}-\d{5}-[0-9A-Z]{5}\b")
#: Installation and confirmation IDs: 48 digits and more, in one piece or in groups of six to nine.
LONG_NUMBER = re.compile(r"(?<!\d)\d{45,}(?!\d)|(?<![\d-])\d{6,9}(?:-\d{6,9}){6,}(?![\d-])")
IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)")
IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
MAC = re.compile(r"(?<![0-9A-Fa-f:-])[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}(?![0-9A-Fa-f:-])")
#: Not what looks like one but is the property of a class, as in Win32_Service.Name="sppsvc".
DNS_NAME = re.compile(
    r"(?<![\w.\\/%-])(?!(?:Win32|CIM|MSFT|MicrosoftDNS)_)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9])?\.)+"
    r"[A-Za-z]{2,63}(?![\w=-])"
)
_UNC_HOST = re.compile(r"\\\\([\w.-]+)\\")
_ACCOUNT = re.compile(r"([\w.-]+)\\([\w.$-]+)")

#: Namespaces and links of the protocol itself.
_SCHEMA = re.compile(r"https?://(?:schemas\.(?:xmlsoap\.org|dmtf\.org|microsoft\.com)|www\.w3\.org)/[^\s<>\"']*")
_PUBLIC_DNS = re.compile(r"(?:^|\.)(?:microsoft\.com|windows\.com|w3\.org|xmlsoap\.org|dmtf\.org)$", re.IGNORECASE)
_FILE_ENDINGS = frozenset(
    ("dll", "exe", "mui", "mof", "mfl", "vbs", "xsd", "xml", "cmd", "ini", "log", "evtx", "cat", "xrm-ms", "sys", "ps1")
)
#: Names that every Windows has.
_COMMON = frozenset(
    (
        *("administrator", "administrators", "guest", "system", "workgroup", "builtin", "nt authority", "network"),
        *("service", "local", "localsystem", "localhost", "true", "false", "null", "none", "windows", "unknown"),
    )
)
_DOCUMENTATION = tuple(
    map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))
)

#: Property (or attribute) -> what its value is.
PROPERTIES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "CSName",
            "ComputerName",
            "DNSHostName",
            "DnsServerName",
            "DiscoveredKeyManagementServiceMachineName",
            "KeyManagementServiceMachine",
            "Machine",
            "MachineName",
            "PSComputerName",
            "SystemName",
        ),
        "host",
    ),
    **dict.fromkeys(("ContainerName", "Domain", "DomainName", "KeyManagementServiceLookupDomain"), "domain"),
    **dict.fromkeys(("PrimaryOwnerName", "RegisteredUser", "User", "UserName"), "user"),
    **dict.fromkeys(
        (
            "ADActivationObjectDN",
            "ADActivationObjectName",
            "Organization",
            "PrimaryOwnerContact",
            "TokenActivationAdditionalInfo",
            "TokenActivationCertificateThumbprint",
        ),
        "words",
    ),
    "ClientMachineID": "guid",
    **dict.fromkeys(
        (
            "KeyManagementServiceProductKeyID",
            "OfflineInstallationId",
            "ProductKeyID",
            "ProductKeyID2",
            "SerialNumber",
        ),
        "code",
    ),
    "PartialProductKey": "partial",
}
#: Class -> properties whose name alone does not tell.
CLASS_PROPERTIES: Mapping[str, Mapping[str, str]] = {
    "Win32_ComputerSystem": {"Name": "host", "Caption": "host", "Workgroup": "domain", "Description": "words"},
    "Win32_OperatingSystem": {"Description": "words"},
}
#: Classes whose ID is public: that of a licence, the same on every machine.
_PUBLIC_IDS = frozenset({"ID", "ApplicationID"})

_TOKENS = re.compile(r"(<[^>]*>)")
_ATTRIBUTE = re.compile(r'([\w:.-]+)(\s*=\s*)("[^"]*"|\'[^\']*\')')
_ENTITIES = {"&quot;": '"', "&apos;": "'", "&#39;": "'", "&#34;": '"', "&#13;": "\r", "&#10;": "\n", "&#xD;": "\r"}
_KEY_LETTERS = "BCDFGHJKMNPQRTVWXY"


class Scrubber:
    """One for all recordings of a host.

    public_guids, public_partials: what may stay because Microsoft publishes it.  forbidden: words that must not
    be there at the end (a password, a project's name); they are not replaced, a file that has one is refused.
    """

    def __init__(
        self,
        *,
        public_guids: Iterable[str] = (),
        public_partials: Iterable[str] = (),
        forbidden: Iterable[str] = (),
    ) -> None:
        self._public_guids = {guid.lower() for guid in public_guids}
        self._public_partials = {partial.upper() for partial in public_partials}
        self._forbidden = sorted({word for word in forbidden if word})
        self._invented: dict[str, str] = {}
        self._kinds: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._spelt: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None

    # --- learning ---------------------------------------------------------------------------------------------------

    def learn(self, kind: str, value: str | None) -> None:
        """Remember a value of this kind: host, domain, user, words, code, guid, partial, key, sid, address."""
        text = (value or "").strip().rstrip(".")
        if kind == "guid":
            text = text.strip("{}")
        if KEY.fullmatch(text):
            kind = "key"
        folded = text.lower()
        if not text or folded in _COMMON or folded in self._invented or (text.isdigit() and len(text) < 6):
            return
        if (kind == "guid" and folded in self._public_guids) or (
            kind == "partial" and text.upper() in self._public_partials
        ):
            return
        if kind in ("host", "domain") and self._is_public_name(text):
            return
        if kind == "user" and "\\" in text:
            domain, _ignored, text = text.partition("\\")
            self.learn("label", domain)
            self.learn("user", text)
        elif kind == "host" and text.count(".") == 1:
            self.learn("domain", text)
        elif kind == "host" and "." in text and not _is_address(text):
            label, _ignored, domain = text.partition(".")
            self.learn("host", label)
            self.learn("domain", domain)
            self._know(folded, f"{self._of(label)}.{self._of(domain)}", "host")
        elif kind == "domain" and "." in text:
            self._know(folded, self._fill(f"zone{self._next('zone')}", len(text) - len(".example")) + ".example", kind)
            self.learn("label", text.partition(".")[0])
        elif kind == "host" and _is_address(text):
            self.learn("address", text)
        else:
            self._know(folded, _INVENT.get(kind, Scrubber._invent_word)(self, kind, text), kind)

    def learn_public_guid(self, value: str) -> None:
        """Remember an ID that is the same on every machine."""
        self._public_guids.add(value.strip().strip("{}").lower())

    def learn_from_xml(self, document: str, class_name: str = "") -> None:
        """Learn from a message about this class: properties, attributes, shapes."""
        by_property = {**PROPERTIES, **CLASS_PROPERTIES.get(class_name, {})}
        path: list[str] = []
        pieces: list[tuple[str, str]] = []
        for token in _TOKENS.split(document):
            if token.startswith("</"):
                path[-1:] = []
            elif token.startswith("<") and token[1:2] not in "?!":
                name = _local(token)
                attributes = {
                    _plain_name(key): unescape(value[1:-1], _ENTITIES) for key, _quote, value in _attributes(token)
                }
                pieces += [(key, value) for key, value in attributes.items() if not key.startswith("xmlns")]
                if name == "Selector":
                    name = attributes.get("Name", name)
                if not token.endswith("/>"):
                    path.append(name)
            elif token.strip() and path:
                pieces.append((path[-1], unescape(token, _ENTITIES)))
        # What may stay comes first: an ID is also looked at by its shape.
        for name, value in pieces:
            if name in _PUBLIC_IDS and GUID.fullmatch(value.strip("{}")):
                self.learn_public_guid(value)
        for name, value in pieces:
            if name in by_property:
                self.learn(by_property[name], value)
            elif name.startswith("OA3x"):
                self.learn("code", value)
            elif name == "InsertionStrings":
                self._learn_event(value)
            elif name != "sSubKeyName" and (account := _ACCOUNT.fullmatch(value.strip())):
                # A registry key has the same shape.
                self.learn("label", account.group(1))
                self.learn("user", account.group(2))
            self.learn_shapes(value)

    def _learn_event(self, text: str) -> None:
        """The parts of an event's string: whatever is not a number, a code, an ID or a time may be a name."""
        for part in map(str.strip, text.split(",")):
            name = re.sub(r":\d+\Z", "", part)
            plain = re.fullmatch(r"[-+]?\d+|0x[0-9A-Fa-f]+|[\d/.: -]+", name) or GUID.fullmatch(name.strip("{}"))
            if name and not plain:
                self.learn("host" if re.fullmatch(r"[\w.-]+", name) else "words", name)

    def learn_shapes(self, text: str) -> None:
        """Learn what has a shape of its own, wherever it stands."""
        text = _SCHEMA.sub(" ", text)
        for kind, pattern in _SHAPES:
            for match in pattern.finditer(text):
                if kind != "address" or _is_private_matter(match.group()):
                    self.learn(kind, match.group())
        for match in DNS_NAME.finditer(text):
            if not self._is_public_name(match.group()):
                self.learn("host", match.group())
        for match in _UNC_HOST.finditer(text):
            self.learn("host", match.group(1))

    def _know(self, folded: str, invented: str, kind: str) -> None:
        # An invented value met again is no news.
        if folded in self._spelt:
            return
        self._invented[folded] = invented
        self._kinds[folded] = kind
        self._spelt[invented.lower()] = invented
        self._pattern = None

    def _of(self, text: str) -> str:
        return self._invented.get(text.lower(), text)

    def _is_public_name(self, name: str) -> bool:
        folded = name.lower().rstrip(".")
        ending = folded.rpartition(".")[2]
        return bool(_PUBLIC_DNS.search(folded)) or ending in _FILE_ENDINGS or folded in self._spelt

    # --- inventing --------------------------------------------------------------------------------------------------

    def _next(self, kind: str) -> int:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self._counts[kind]

    @staticmethod
    def _fill(text: str, length: int) -> str:
        return text + "x" * (length - len(text))

    def _invent_word(self, kind: str, text: str) -> str:
        stem = {"host": "host", "label": "net", "domain": "net", "user": "user"}.get(kind, "word")
        return self._fill(f"{stem}{self._next(stem)}", len(text))

    def _invent_code(self, kind: str, text: str) -> str:
        """The same shape of zeros and As, ending with a number."""
        characters = [("0" if c.isdigit() else "A" if c.isalpha() else c) for c in text]
        places = [place for place, c in enumerate(characters) if c in "0A"]
        number = str(self._next(kind)).rjust(min(3, len(places)), "0")
        for place, digit in zip(reversed(places), reversed(number), strict=False):
            characters[place] = digit
        return "".join(characters)

    def _invent_guid(self, kind: str, text: str) -> str:
        return f"00000000-0000-4000-8000-{self._next(kind):012d}"

    def _letters(self, kind: str, places: int) -> str:
        number, found = self._next(kind), ""
        for _ignored in range(places):
            number, rest = divmod(number, len(_KEY_LETTERS))
            found = _KEY_LETTERS[rest] + found
        return found

    def _invent_key(self, kind: str, text: str) -> str:
        return f"N2222-22222-22222-22222-22{self._letters('partial', 3)}"

    def _invent_partial(self, kind: str, text: str) -> str:
        return f"22{self._letters('partial', 3)}"

    def _invent_sid(self, kind: str, text: str) -> str:
        rid = text.split("-")[7:]
        account = f"-{rid[0] if int(rid[0]) < 1000 else 1000 + self._next('rid')}" if rid else ""
        return f"S-1-5-21-1000000001-1000000002-{1000000000 + self._next(kind)}{account}"

    def _invent_address(self, kind: str, text: str) -> str:
        if MAC.fullmatch(text):
            separator = text[2]
            return separator.join(("00", "00", "5E", "00", "53", f"{self._next('mac') % 256:02X}"))
        if ":" in text:
            return f"2001:db8::{self._next('ipv6'):x}"
        number = self._next("ipv4") - 1
        return f"{('192.0.2', '198.51.100', '203.0.113')[number // 254 % 3]}.{number % 254 + 1}"

    # --- replacing --------------------------------------------------------------------------------------------------

    def text(self, value: str) -> str:
        """The text with the invented values in it."""
        if self._pattern is None:
            known = sorted(self._invented, key=len, reverse=True)
            either = "|".join(map(re.escape, known)) or r"(?!)"
            self._pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{either})(?![A-Za-z0-9])", re.IGNORECASE)
        pattern = self._pattern
        pieces: list[str] = []
        end = 0
        for schema in _SCHEMA.finditer(value):
            pieces += [pattern.sub(self._replacement, value[end : schema.start()]), schema.group()]
            end = schema.end()
        return "".join(pieces) + pattern.sub(self._replacement, value[end:])

    def _replacement(self, match: re.Match[str]) -> str:
        old = match.group()
        new = self._invented[old.lower()]
        if self._kinds[old.lower()] not in ("host", "domain", "label", "user", "words"):
            return new
        return new.upper() if old.isupper() else new

    def xml(self, document: str) -> str:
        """A message: texts and attributes change, names and namespaces stay, and so does all white space."""

        def attribute(match: re.Match[str]) -> str:
            name, equals, quoted = match.groups()
            if _plain_name(name).startswith("xmlns"):
                return match.group()
            old = unescape(quoted[1:-1], _ENTITIES)
            new = self.text(old)
            return (
                match.group()
                if new == old
                else f"{name}{equals}{quoted[0]}{escape(new, {quoted[0]: '&quot;'})}{quoted[0]}"
            )

        tokens = _TOKENS.split(document)
        for place, token in enumerate(tokens):
            if token.startswith("<"):
                tokens[place] = token if token[1:2] in "?!/" else _ATTRIBUTE.sub(attribute, token)
            elif token.strip():
                old = unescape(token, _ENTITIES)
                new = self.text(old)
                tokens[place] = token if new == old else escape(new, {"\r": "&#13;"})
        return "".join(tokens)

    def data(self, value: Any) -> Any:
        """Texts in lists and dictionaries; the names in a dictionary stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {name: self.data(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(item) for item in value]
        return value

    # --- refusing ---------------------------------------------------------------------------------------------------

    def leftovers(self, text: str) -> list[str]:
        """What must not be published, as kinds and lines; empty when there is nothing."""
        found = []
        known = "|".join(map(re.escape, sorted(self._spelt, key=len, reverse=True))) or r"(?!)"
        invented = re.compile(rf"(?<![A-Za-z0-9])(?:{known})(?![A-Za-z0-9])", re.IGNORECASE)
        for number, line in enumerate(text.splitlines(), 1):
            plain = unescape(line, _ENTITIES)
            rest = invented.sub(" ", _SCHEMA.sub(" ", plain))
            found += [f"line {number}: {what}" for what in dict.fromkeys(self._leftovers(plain, rest))]
        return found

    def _leftovers(self, line: str, rest: str) -> Iterator[str]:
        """What is wrong with a line; `rest` is the line without what was invented and what is the protocol's own."""
        if any(word.lower() in line.lower() for word in self._forbidden):
            yield "a forbidden word"
        folded = rest.lower()
        for name, kind in self._kinds.items():
            # Short names are looked for as words: "pc" is in many of them.
            if name in folded if len(name) > 4 and kind != "partial" else _is_word(name, folded):
                yield f"a value of kind {kind} that was to be replaced"
        for kind, pattern in _SHAPES:
            for match in pattern.finditer(rest):
                public = kind == "guid" and match.group().lower() in self._public_guids
                if not public and (kind != "address" or _is_private_matter(match.group())):
                    yield f"something in the shape of a {_WORDS.get(kind, kind)}"
            rest = pattern.sub(" ", rest)
        for match in DNS_NAME.finditer(rest):
            if not self._is_public_name(match.group()) and not match.group().lower().endswith(".example"):
                yield "something in the shape of a DNS name"


_Invent = Callable[[Scrubber, str, str], str]
_INVENT: Mapping[str, _Invent] = {
    "code": Scrubber._invent_code,
    "guid": Scrubber._invent_guid,
    "key": Scrubber._invent_key,
    "partial": Scrubber._invent_partial,
    "sid": Scrubber._invent_sid,
    "address": Scrubber._invent_address,
}
#: The order counts: a product ID has parts that look like others.
_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("key", KEY),
    ("sid", SID),
    ("code", PRODUCT_ID),
    ("code", LONG_NUMBER),
    ("guid", GUID),
    ("address", MAC),
    ("address", IPV4),
    ("address", IPV6),
)
_WORDS = {"key": "product key", "code": "product or installation ID", "guid": "machine ID", "sid": "SID"}


def _local(tag: str) -> str:
    return _plain_name(re.match(r"<([^\s/>]+)", tag)[1])  # type: ignore[index]


def _plain_name(name: str) -> str:
    prefix, _ignored, local = name.rpartition(":")
    return name if prefix == "xmlns" else local


def _attributes(tag: str) -> list[tuple[str, str, str]]:
    return _ATTRIBUTE.findall(tag)


def _is_word(name: str, folded: str) -> bool:
    return re.search(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])", folded) is not None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_private_matter(text: str) -> bool:
    """Whether this is an address, and one that tells something: not loopback, unset or of documentation."""
    if MAC.fullmatch(text):
        return not text.upper().replace(":", "-").startswith("00-00-5E-00-53")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or any(address in net for net in _DOCUMENTATION))
