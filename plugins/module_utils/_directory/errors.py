# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong between a task and a directory, as one exception tree.

Every error says what happened and where (`message`) and what the likely cause and the next step are (`remedy`). Text
that came from a server is never passed on.

    DirectoryError
        InputError         an option cannot be right; nothing was sent
        LibraryError       a Python library that the options ask for is missing
        ConnectError       no usable connection, or no answer
        LogonError         the account was refused, or there is no ticket for it
        AnswerError        the directory answered, and said no
        NotPreparedError   the forest has no container for activation objects
        ChoiceError        the name fits several objects, or none that may be meant
"""

from __future__ import annotations

import re
from typing import NamedTuple


class DirectoryError(Exception):
    """name: symbol, such as UNREACHABLE. code: number of the LDAP result where there is one, else the symbol."""

    def __init__(self, name: str, message: str, remedy: str, *, code: int | None = None) -> None:
        message = message[:1].upper() + message[1:]
        super().__init__(f"{message} {remedy}")
        self.name = name
        self.message = message
        self.remedy = remedy
        self.code = name if code is None else str(code)

    def as_result(self) -> dict[str, str]:
        """The `error` value of a module's result."""
        return {"code": self.code, "name": self.name, "message": self.message, "remedy": self.remedy}


class InputError(DirectoryError):
    """An option cannot be right. Raised before anything is sent."""

    def __init__(self, option: str, problem: str, remedy: str) -> None:
        super().__init__("INVALID_OPTION", f"Option {option}: {problem}", remedy)
        self.option = option


class LibraryError(DirectoryError):
    """A Python library that the options ask for is missing."""


class ConnectError(DirectoryError):
    """There is no usable connection, or no answer. `lost`: a request was sent before, whose answer did not come."""

    def __init__(self, name: str, message: str, remedy: str, *, lost: bool = False) -> None:
        super().__init__(name, message, remedy)
        self.lost = lost


class LogonError(DirectoryError):
    """The account was refused, or there is no ticket for it."""


class AnswerError(DirectoryError):
    """The directory answered, and said no."""


class NotPreparedError(DirectoryError):
    """The forest has no container for activation objects, or does not show it."""


class ChoiceError(DirectoryError):
    """The name fits several objects, or none that may be meant."""


class Explanation(NamedTuple):
    """text: what the server did, after its name. remedy: likely cause and next step; {account} is filled in."""

    text: str
    remedy: str


_RIGHTS = (
    "Use an account that may write to CN=Activation Objects,CN=Microsoft SPP,CN=Services of the configuration "
    "partition: by default Enterprise Admins and, for objects that are there, Domain Admins. Or have the right granted "
    "to {account}."
)

#: LDAP result (RFC 4511 appendix A) -> name and explanation.
RESULTS: dict[int, tuple[str, Explanation]] = {
    1: (
        "OPERATIONS_ERROR",
        Explanation(
            "refused the request, as from somebody who is not logged on", "Check the account and how it logs on."
        ),
    ),
    3: ("TIME_LIMIT_EXCEEDED", Explanation("took too long", "Try again, or ask another server (ldap_server).")),
    4: (
        "SIZE_LIMIT_EXCEEDED",
        Explanation("has more objects than it shows at once", "Delete objects that are not used."),
    ),
    7: (
        "AUTH_METHOD_NOT_SUPPORTED",
        Explanation(
            "does not know this way to log on", "Choose another one: ldap_user with ldap_password, or Kerberos."
        ),
    ),
    8: (
        "STRONGER_AUTH_REQUIRED",
        Explanation(
            "wants the connection to be signed or encrypted",
            "Set ldap_tls to ldaps or starttls, or, with Kerberos, to sasl.",
        ),
    ),
    10: (
        "REFERRAL",
        Explanation("refers to another server", "Name a domain controller of the forest in ldap_server."),
    ),
    32: ("NO_SUCH_OBJECT", Explanation("has no such object, or does not show it to {account}", _RIGHTS)),
    49: (
        "INVALID_CREDENTIALS",
        Explanation("does not accept the name or the password of {account}", "Check ldap_user and ldap_password."),
    ),
    50: ("INSUFFICIENT_ACCESS_RIGHTS", Explanation("does not allow it to {account}", _RIGHTS)),
    51: ("BUSY", Explanation("is busy", "Try again, or ask another server (ldap_server).")),
    52: (
        "UNAVAILABLE",
        Explanation("is shutting down or not ready", "Try again, or ask another server (ldap_server)."),
    ),
    53: (
        "UNWILLING_TO_PERFORM",
        Explanation("is not willing to do it", "A read-only domain controller? Name a writable one in ldap_server."),
    ),
}

#: The Win32 error in Active Directory's own words on a refused log-on ("data 52e") -> name and explanation.
LOGON_DATA: dict[int, tuple[str, Explanation]] = {
    0x525: ("USER_NOT_FOUND", Explanation("knows no account {account}", "Check ldap_user: name@domain or a DN.")),
    0x52E: (
        "INVALID_CREDENTIALS",
        Explanation("does not accept the name or the password of {account}", "Check ldap_user and ldap_password."),
    ),
    0x530: ("LOGON_HOURS", Explanation("does not let {account} log on at this time", "Look at its logon hours.")),
    0x531: (
        "WORKSTATION_RESTRICTION",
        Explanation("does not let {account} log on from here", "Look at the workstations that it may log on to."),
    ),
    0x532: ("PASSWORD_EXPIRED", Explanation("says that the password of {account} has expired", "Set a new one.")),
    0x533: ("ACCOUNT_DISABLED", Explanation("says that the account {account} is disabled", "Have it enabled.")),
    0x701: ("ACCOUNT_EXPIRED", Explanation("says that the account {account} has expired", "Have it renewed.")),
    0x773: (
        "PASSWORD_MUST_CHANGE",
        Explanation("wants {account} to choose a new password first", "Set one that need not be changed."),
    ),
    0x775: (
        "ACCOUNT_LOCKED",
        Explanation("has locked the account {account}", "Find out who keeps trying a wrong password, and unlock it."),
    ),
}

_DATA = re.compile(r"\bdata ([0-9a-f]{1,8})\b", re.IGNORECASE)


def refused(doing: str, server: str, account: str, code: int, message: str) -> DirectoryError:
    """The exception for an LDAP result other than success. message: the server's diagnostic text, only searched."""
    name, explanation = RESULTS.get(code) or (
        "LDAP_ERROR",
        Explanation("answered with an error", "Look the LDAP result code up, and look at the server's event log."),
    )
    if code == 49:
        found = _DATA.search(message or "")
        name, explanation = LOGON_DATA.get(int(found.group(1), 16) if found else 0) or (name, explanation)
    kind = LogonError if code in (7, 8, 49) else AnswerError
    return kind(
        name,
        f"While {doing}: {server} {explanation.text.format(account=account)} (LDAP result {code}).",
        explanation.remedy.format(account=account),
        code=code,
    )
