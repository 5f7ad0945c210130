# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Error codes of MIT Kerberos as sentences, by their numbers alone, since the library translates its texts.

Fields that are filled in: {principal}, {source} (of the ticket), {service} (of the DNS server), {realm}, {option}.
"""

from __future__ import annotations

from .errors import Explanation

# krb5.h: the first number of the table.
_KDC_TABLE = -1765328384

CACHE_MISSING = -1765328189
CACHE_EMPTY = -1765328243
KEYTAB_WITHOUT_KEY = -1765328203


def minor_code(code: int) -> int:
    """The number in the table: GSS-API hands it out without its sign."""
    return code - 2**32 if code >= 2**31 else code


_CLOCK = (
    "The clocks of this machine and of the Kerberos server (domain controller) differ by more than five minutes: set "
    "both right by NTP."
)
_KINIT = "Get a new ticket by kinit, or use gss_keytab, or gss_principal with gss_password."
_KDC = (
    "Check the realm in gss_principal (in capitals in Active Directory), and that /etc/krb5.conf names its servers or "
    "that this machine finds them in DNS (_kerberos._udp.<realm>)."
)
_KEYTAB = "Look at what `klist -k` shows for the keytab, and give one of these names in gss_principal."
_SOURCE = "Check {option}; get a ticket by kinit, or use gss_keytab, or gss_principal with gss_password."

# Number in the table of MIT Kerberos -> what it means here.
KERBEROS_ERRORS: dict[int, Explanation] = {
    _KDC_TABLE + 1: Explanation("NAME_EXP", "the account {principal} has expired", "Have the account enabled again."),
    _KDC_TABLE + 6: Explanation(
        "C_PRINCIPAL_UNKNOWN",
        "there is no account {principal}",
        "Check the spelling of gss_principal, and that its realm is the domain of the account, in capitals.",
    ),
    _KDC_TABLE + 7: Explanation(
        "S_PRINCIPAL_UNKNOWN",
        "Kerberos knows no service {service}",
        "Give the full host name of the DNS server (of the domain controller), not an alias, a short name or that of "
        "the domain: in the option server, or in gss_hostname where server is an address. Check that its realm is that "
        "of the account, or one that it trusts.",
    ),
    _KDC_TABLE + 12: Explanation(
        "POLICY", "a rule of the Kerberos server forbids it", "Have the log-on rules of {principal} looked at."
    ),
    _KDC_TABLE + 14: Explanation(
        "ETYPE_NOSUPP",
        "no type of encryption is common to this machine, the Kerberos server and the account",
        "Allow AES for the account {principal} (Active Directory: msDS-SupportedEncryptionTypes) and in krb5.conf, and "
        "set its password anew if that is older than the domain's AES support.",
    ),
    _KDC_TABLE + 18: Explanation(
        "CLIENT_REVOKED",
        "the account {principal} is disabled or locked",
        "Have the account enabled or unlocked. If it was locked, find out who keeps trying a wrong password.",
    ),
    _KDC_TABLE + 23: Explanation(
        "KEY_EXP",
        "the password of {principal} has expired or must be changed",
        "Set a new password. A service account should have one that does not expire, or use a keytab.",
    ),
    _KDC_TABLE + 24: Explanation(
        "PREAUTH_FAILED",
        "the password or key of {principal} is wrong",
        "Check gss_password; if gss_keytab is used, write the keytab anew, since it is older than the account's last "
        "change of password. A clock that is wrong by more than five minutes can show like this, too.",
    ),
    _KDC_TABLE + 31: Explanation(
        "BAD_INTEGRITY",
        "the password or key of {principal} is wrong",
        "Check gss_password, or write the keytab anew after a change of password.",
    ),
    _KDC_TABLE + 32: Explanation("TKT_EXPIRED", "the ticket in {source} has expired", _KINIT),
    _KDC_TABLE + 33: Explanation("TKT_NYV", "the ticket in {source} is not valid yet", _CLOCK),
    _KDC_TABLE + 37: Explanation("SKEW", "the clocks differ", _CLOCK),
    _KDC_TABLE + 68: Explanation(
        "WRONG_REALM", "the account {principal} belongs to another realm", "Give its own realm in gss_principal."
    ),
    -1765328250: Explanation(
        "PARSE_MALFORMED", "{principal} is not a Kerberos name", "Write gss_principal as name@REALM."
    ),
    -1765328248: Explanation(
        "CONFIG_BADFORMAT", "/etc/krb5.conf cannot be read", "Mend the file that KRB5_CONFIG names, or /etc/krb5.conf."
    ),
    -1765328245: Explanation("CC_BADNAME", "{source} is not the name of a credential cache", _SOURCE),
    -1765328244: Explanation("CC_UNKNOWN_TYPE", "{source} is of a kind that is not known on this machine", _SOURCE),
    CACHE_EMPTY: Explanation("CC_NOTFOUND", "there is no ticket in {source}", _SOURCE),
    -1765328236: Explanation("KDCREP_SKEW", "the clocks differ", _CLOCK),
    -1765328230: Explanation("REALM_UNKNOWN", "no Kerberos server is known for {realm}", _KDC),
    -1765328228: Explanation(
        "KDC_UNREACH",
        "no Kerberos server of {realm} answers",
        "Check that port 88 of the domain controllers (UDP and TCP) can be reached from here, and the servers in "
        "/etc/krb5.conf.",
    ),
    -1765328205: Explanation("KT_BADNAME", "{source} is not the name of a keytab", _SOURCE),
    -1765328204: Explanation("KT_UNKNOWN_TYPE", "{source} is of a kind that is not known on this machine", _SOURCE),
    KEYTAB_WITHOUT_KEY: Explanation("KT_NOTFOUND", "there is no key for {principal} in {source}", _KEYTAB),
    -1765328190: Explanation("FCC_PERM", "{source} may not be read by this user", _SOURCE),
    CACHE_MISSING: Explanation("FCC_NOFILE", "there is no ticket in {source}", _SOURCE),
    -1765328185: Explanation("CC_FORMAT", "{source} is not a credential cache", _SOURCE),
    -1765328174: Explanation(
        "PREAUTH_FAILED", "the password or key of {principal} is wrong", "Check gss_password or gss_keytab."
    ),
    -1765328172: Explanation("CCACHE_BADVNO", "{source} is not a credential cache", _SOURCE),
    -1765328171: Explanation("KEYTAB_BADVNO", "{source} is not a keytab", _SOURCE),
    -1765328160: Explanation(
        "CONFIG_NODEFREALM",
        "the realm of {principal} is not known",
        "Write gss_principal as name@REALM, or set default_realm in /etc/krb5.conf.",
    ),
    39756032: Explanation(
        "CCACHE_NOMATCH",
        "the ticket in {source} is not one of {principal}",
        "Leave gss_principal out to use the ticket that is there, or get one for it by kinit.",
    ),
    39756033: Explanation(
        "KEYTAB_NOMATCH",
        "there is no key for {principal} in {source}",
        _KEYTAB,
    ),
}
