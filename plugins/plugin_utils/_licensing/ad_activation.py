# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Activate a forest: Windows asks Microsoft, and puts an activation object into Active Directory.

Each such activation of a KMS host key is counted, and only the directory shows whether there has been one.  So the
directory is read before, by LDAP; when an object of the key is there, nothing is sent.  When the answer of Windows gets
lost, the directory is read until the object shows or patience ends; nothing is ever sent a second time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...module_utils._directory.errors import DirectoryError
from ...module_utils._directory.errors import InputError as DirectoryInputError
from ...module_utils._directory.names import checked_object_name
from ...module_utils._directory.objects import ActivationObject, Objects
from .._cim.errors import CimAccessDenied, CimError, CimFault, CimTransportError
from .._cim.session import CimSession
from .errors import InvalidOption, LicensingError, UnknownOutcome
from .faults import error_from_fault
from .hresult import hex_code
from .keys import ProductKey
from .state import SERVICE_CLASS

ONLINE = "DoActiveDirectoryOnlineActivation"
GENERATE = "GenerateActiveDirectoryOfflineActivationId"
DEPOSIT = "DepositActiveDirectoryOfflineActivationConfirmation"

#: Digits of a confirmation ID.
_CONFIRMATION_DIGITS = 48
#: The methods came with Windows 8 and Server 2012.
_FIRST_BUILD = 9200
#: Seconds to wait before each look at the directory after a call.
_PATIENCE = (0.0, 0.5, 1.0, 2.0, 4.0)

_DOUBLE_HOP = (
    "The account must be one of Active Directory that may write to the container of activation objects, and Windows "
    "must be able to pass its credentials on to a domain controller, which it cannot after NTLM or Basic. Connect with "
    "CredSSP, or with Kerberos and delegation (winrm: ansible_winrm_kerberos_delegation, psrp: "
    "ansible_psrp_negotiate_delegate), or run this task on a domain controller"
)
#: What Windows answers when it has no credentials, or none that suffice, for the directory (numbers: winerror.h).
_NO_RIGHTS = {
    0x80070005: "ERROR_ACCESS_DENIED",
    0x80070520: "ERROR_NO_SUCH_LOGON_SESSION",
    0x80072020: "ERROR_DS_OPERATIONS_ERROR",
    0x80072027: "ERROR_DS_AUTH_METHOD_NOT_SUPPORTED",
    0x80072028: "ERROR_DS_STRONG_AUTH_REQUIRED",
    0x80072029: "ERROR_DS_INAPPROPRIATE_AUTH",
    0x80072098: "ERROR_DS_INSUFF_ACCESS_RIGHTS",
    0x8009030E: "SEC_E_NO_CREDENTIALS",
}
#: The same where there is no domain, or none that answers.
_NO_DOMAIN = {
    0x8007054B: "ERROR_NO_SUCH_DOMAIN",
    0x8007203A: "ERROR_DS_SERVER_DOWN",
}


class Directory(Protocol):
    """Where activation objects are looked for: `module_utils/_directory`, or what stands for it in a test."""

    @property
    def server(self) -> str:
        """What messages call the server that was asked last."""

    def objects(self) -> Objects:
        """All activation objects. Raises DirectoryError."""


@dataclass(frozen=True)
class ForestWish:
    """The options of the module `ad_activation`, checked."""

    key: ProductKey
    name: str | None = None
    confirmation_id: str | None = None
    offline: bool = False

    @classmethod
    def of(cls, *, key: ProductKey | None, name: str | None, confirmation_id: str | None, offline: bool) -> ForestWish:
        """Raises InvalidOption for what is wrong whatever the host is like."""
        if key is None:
            raise InvalidOption("key", "it is needed", remedy="Give the KMS host key (CSVLK) of the organisation")
        if key.is_gvlk:
            raise InvalidOption(
                "key",
                f"the key that ends in {key.partial} is a public client setup key (GVLK)",
                remedy="A forest is activated by a KMS host key (CSVLK); clients keep their client setup key",
            )
        digits = "".join((confirmation_id or "").split()).replace("-", "")
        if confirmation_id and not (digits.isascii() and digits.isdigit() and len(digits) == _CONFIRMATION_DIGITS):
            raise InvalidOption(
                "confirmation_id",
                f"it must have {_CONFIRMATION_DIGITS} digits, which hyphens or spaces may part",
                remedy="Copy it again from its source",
            )
        try:
            checked = checked_object_name(name) if name else None
        except DirectoryInputError as error:
            raise InvalidOption("name", error.message.partition(": ")[2], remedy=error.remedy) from None
        return cls(key, checked, digits or None, offline or bool(digits))

    @property
    def waits(self) -> bool:
        """Whether only the installation ID is wanted, for which Microsoft gives the confirmation ID."""
        return self.offline and self.confirmation_id is None


@dataclass
class ForestOutcome:
    """What came of it.  found: the activation object as it is now, None when there is none or nobody has looked."""

    changed: bool = False
    found: ActivationObject | None = None
    installation_id: str | None = None
    error: LicensingError | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass
class ForestActivation:
    """One task.  directory: None where the user has said that nobody shall look.

    alone: keeps other runs with the same key away as long as its context lasts; pause: waits so many seconds.
    """

    session: CimSession
    directory: Directory | None
    wish: ForestWish
    alone: Callable[[], AbstractContextManager[None]] = nullcontext
    pause: Callable[[float], None] = time.sleep

    def run(self, *, check: bool) -> ForestOutcome:
        """Look, and if nothing is there, have Windows activate once.

        Raises LicensingError for what is found before anything is sent, and CimTransportError for a host that is gone
        when nothing was sent.
        """
        found = self._look()
        if found is not None:
            return ForestOutcome(found=found)
        if check:
            return ForestOutcome(changed=not self.wish.waits)
        if self.wish.waits:
            return ForestOutcome(installation_id=self._installation_id())
        with self.alone():
            # Another run may have been faster.
            found = self._look()
            return ForestOutcome(found=found) if found is not None else self._activate()

    # -- the directory -----------------------------------------------------------------------------------------------

    def _look(self) -> ActivationObject | None:
        """The object of the key.  Raises LicensingError when it, or the name, is taken for something else."""
        if self.directory is None:
            return None
        try:
            objects = self.directory.objects()
        except DirectoryError as error:
            raise LicensingError(
                f"Nothing was sent, because whether the forest is activated already can't be read: {error.message}",
                remedy=f"{error.remedy} verify: false sends without looking, and may spend one more activation.",
                name=error.name,
            ) from None
        wish = self.wish
        ours = [item for item in objects if item.partial_product_key == wish.key.partial]
        named = [item for item in objects if wish.name is not None and item.answers_to(wish.name)]
        if ours and wish.name is not None and not any(item in named for item in ours):
            raise LicensingError(
                f"name: the key that ends in {wish.key.partial} has activated this forest already, as the activation "
                f"object {ours[0].name} ({ours[0].dn})",
                remedy="A second object of the same key would spend one more activation. Leave name out or give that "
                "one; to have another name, delete the object first (ad_activation_object, state: absent)",
            )
        if named and not ours:
            raise LicensingError(
                f"name: there is an activation object {wish.name} of another key, the one that ends in "
                f"{named[0].partial_product_key} ({named[0].dn})",
                remedy="Choose another name, or delete that object first (ad_activation_object, state: absent)",
            )
        both = [item for item in ours if item in named] or ours
        return both[0] if both else None

    def _look_until_it_shows(self) -> ActivationObject | None:
        """The object of the key, waited for; None when it does not show, or the directory can't be read."""
        for seconds in _PATIENCE:
            self.pause(seconds)
            try:
                found = [item for item in self._objects() if item.partial_product_key == self.wish.key.partial]
            except DirectoryError:
                continue
            if found:
                return found[0]
        return None

    def _objects(self) -> Objects:
        return self.directory.objects() if self.directory is not None else ()

    # -- Windows -----------------------------------------------------------------------------------------------------

    def _target(self) -> tuple[Any, dict[str, str]]:
        """The licensing service; its key is its version."""
        try:
            found = self.session.query(SERVICE_CLASS, ["Version"])
        except CimFault as fault:
            raise error_from_fault(fault) from None
        version = str(found[0].get("Version") or "") if found else ""
        numbers = [int(part) for part in version.split(".") if part.isdigit()]
        if len(numbers) < 3 or numbers[2] < _FIRST_BUILD:
            raise LicensingError(
                f"this host has version {version or 'unknown'} of the licensing service, which can't activate a forest",
                remedy="Run the task on Windows 8, Windows Server 2012 or later, best on a domain controller",
            )
        return SERVICE_CLASS, {"Version": version}

    def _installation_id(self) -> str:
        target = self._target()
        try:
            # It changes nothing that could be seen, so that it may be asked again.
            answer = self.session.invoke(target, GENERATE, writes=False, ProductKey=self.wish.key.secret)
        except CimFault as fault:
            raise forest_error(fault) from None
        text = str(answer.get("InstallationID") or "")
        if not text:
            raise LicensingError(
                "Windows gave no installation ID for the key", remedy="Check the key, and look at the event log"
            )
        return text

    def _activate(self) -> ForestOutcome:
        wish = self.wish
        # Without a name it is empty, as slmgr.vbs sends it: Windows then makes one up.
        method = ONLINE
        parameters: dict[str, Any] = {"ProductKey": wish.key.secret, "ActivationObjectName": wish.name or ""}
        if wish.confirmation_id is not None:
            method = DEPOSIT
            parameters["ConfirmationID"] = wish.confirmation_id
        target = self._target()
        try:
            self.session.invoke(target, method, **parameters)
        except CimError as error:
            return self._after(error, method)
        if self.directory is None:
            return ForestOutcome(changed=True)
        found = self._look_until_it_shows()
        outcome = ForestOutcome(changed=True, found=found)
        if found is None:
            outcome.warnings.append(
                f"Windows has activated the forest, but {self.directory.server} does not show the activation object "
                "yet. Until it does, another run of this task would spend one more activation: wait for replication, "
                "or give in ldap_server the domain controller that the host uses"
            )
        return outcome

    def _after(self, error: CimError, method: str) -> ForestOutcome:
        """What a call that did not succeed has come to, as the directory tells."""
        if isinstance(error, CimTransportError) and not error.outcome_unknown:
            raise error
        known = forest_error(error) if isinstance(error, CimFault) and not error.outcome_unknown else None
        if self.directory is None:
            return ForestOutcome(error=known or _unknown(error, method, "nobody has looked (verify: false)"))
        found = self._look_until_it_shows() if known is None else self._look_once()
        if found is not None:
            return ForestOutcome(changed=True, found=found, error=known)
        return ForestOutcome(error=known or _unknown(error, method, f"{self.directory.server} does not show an object"))

    def _look_once(self) -> ActivationObject | None:
        """The object of the key after a fault, which as a rule means that there is none."""
        try:
            found = [item for item in self._objects() if item.partial_product_key == self.wish.key.partial]
        except DirectoryError:
            return None
        return found[0] if found else None


def forest_error(fault: CimFault) -> LicensingError:
    """What to tell the user of a fault; credentials that Windows can't pass on are what goes wrong most."""
    code = fault.code & 0xFFFFFFFF if fault.code is not None else None
    name = _NO_RIGHTS.get(code or 0)
    if name is not None or isinstance(fault, CimAccessDenied):
        return LicensingError(
            "Windows was denied access, most likely by Active Directory",
            remedy=_DOUBLE_HOP,
            code=hex_code(code) if code is not None else None,
            name=name or "ERROR_ACCESS_DENIED",
        )
    name = _NO_DOMAIN.get(code or 0)
    if name is not None and code is not None:
        return LicensingError(
            "The host is in no domain, or finds no domain controller",
            remedy=f"Run the task on a member of the domain that reaches a domain controller. {_DOUBLE_HOP}",
            code=hex_code(code),
            name=name,
        )
    return error_from_fault(fault)


def _unknown(error: CimError, method: str, seen: str) -> UnknownOutcome:
    return UnknownOutcome(
        f"{method} was sent, but its answer got lost ({error}), and {seen}",
        remedy="Look at the activation objects with ad_activation_info in some minutes, on every domain controller if "
        "there are several, and run the task again only if there is none: it was not sent a second time, because it "
        "may use up an activation",
    )
