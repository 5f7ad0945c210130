# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of a Windows console in English and German: names of fields, formats of dates, code pages.

The names of slmgr.vbs's fields are facts of the product, which scripts of its users look for.  The English ones are
those of Windows 10 and 11.  Of the German ones, some are known from public scripts that read them and from Microsoft's
German troubleshooting guide; the others follow their pattern.  Which is which stands in tests/lab/README.md.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from datetime import datetime

ENGLISH: Mapping[str, str] = {
    # -- slmgr.vbs /dli and /dlv
    "service_version": "Software licensing service version: {value}",
    "name": "Name: {value}",
    "description": "Description: {value}",
    "additional_info": "Additional Information: {value}",
    "activation_id": "Activation ID: {value}",
    "application_id": "Application ID: {value}",
    "extended_pid": "Extended PID: {value}",
    "channel": "Product Key Channel: {value}",
    "installation_id": "Installation ID: {value}",
    "processor_url": "Processor Certificate URL: {value}",
    "machine_url": "Machine Certificate URL: {value}",
    "use_license_url": "Use License URL: {value}",
    "product_key_url": "Product Key Certificate URL: {value}",
    "validation_url": "Validation URL: {value}",
    "partial_key": "Partial Product Key: {value}",
    "not_in_use": "This license is not in use.",
    "status_0": "License Status: Unlicensed",
    "status_1": "License Status: Licensed",
    "status_2": "License Status: Initial grace period",
    "status_3": "License Status: Additional grace period (KMS license expired or hardware out of tolerance)",
    "status_4": "License Status: Non-genuine grace period.",
    "status_5": "License Status: Notification",
    "status_6": "License Status: Extended grace period",
    "expires_volume": "Volume activation expiration: {minutes} minute(s) ({days} day(s))",
    "expires_timebased": "Timebased activation expiration: {minutes} minute(s) ({days} day(s))",
    "remaining": "Time remaining: {minutes} minute(s) ({days} day(s))",
    "reason_non_genuine": "Notification Reason: 0x{value} (non-genuine).",
    "reason_expired": "Notification Reason: 0x{value} (grace time expired).",
    "reason": "Notification Reason: 0x{value}.",
    "evaluation_end": "Evaluation End Date: {value}",
    "windows_rearms": "Remaining Windows rearm count: {value}",
    "app_rearms": "Remaining App rearm count: {value}",
    "sku_rearms": "Remaining SKU rearm count: {value}",
    "trusted_time": "Trusted time: {value}",
    "type_0": "Configured Activation Type: All",
    "type_1": "Configured Activation Type: AD",
    "type_2": "Configured Activation Type: KMS",
    "type_3": "Configured Activation Type: Token",
    "activate_first": (
        "Please use slmgr.vbs /ato to activate and update KMS client information in order to update values."
    ),
    "most_recent": "Most recent activation information:",
    "client": "Key Management Service client information",
    "cmid": "    Client Machine ID (CMID): {value}",
    "lookup_domain": "    Registered KMS SRV record lookup domain: {value}",
    "fixed_host": "    Registered KMS machine name: {value}",
    "dns_host": "    KMS machine name from DNS: {value}",
    "no_dns_host": "    DNS auto-discovery: KMS name not available",
    "host_address": "    KMS machine IP address: {value}",
    "no_host_address": "    KMS machine IP address: not available",
    "host_pid": "    KMS machine extended PID: {value}",
    "activation_interval": "    Activation interval: {value} minutes",
    "renewal_interval": "    Renewal interval: {value} minutes",
    "caching_on": "    KMS host caching is enabled",
    "caching_off": "    KMS host caching is disabled",
    "fixed_wins": "Warning: /skms setting overrides the /skms-domain setting. {value} will be used for activation.",
    "ad": "AD Activation client information",
    "ad_name": "    Activation Object name: {value}",
    "ad_dn": "    AO DN: {value}",
    "ad_pid": "    AO extended PID: {value}",
    "ad_sku": "    AO activation ID: {value}",
    "host": "Key Management Service is enabled on this machine",
    "count": "    Current count: {value}",
    "port": "    Listening on Port: {value}",
    "publishing_on": "    DNS publishing enabled",
    "publishing_off": "    DNS publishing disabled",
    "priority_normal": "    KMS priority: Normal",
    "priority_low": "    KMS priority: Low",
    "requests": "Key Management Service cumulative requests received from clients",
    "requests_total": "    Total requests received: {value}",
    "requests_failed": "    Failed requests received: {value}",
    "requests_0": "    Requests with License Status Unlicensed: {value}",
    "requests_1": "    Requests with License Status Licensed: {value}",
    "requests_2": "    Requests with License Status Initial grace period: {value}",
    "requests_3": "    Requests with License Status License expired or Hardware out of tolerance: {value}",
    "requests_4": "    Requests with License Status Non-genuine grace period: {value}",
    "requests_5": "    Requests with License Status Notification: {value}",
    "no_key": "Error: product key not found.",
    # -- slmgr.vbs /xpr
    "xpr_0": "    Unlicensed",
    "xpr_forever": "    The machine is permanently activated.",
    "xpr_volume": "    Volume activation will expire {value}",
    "xpr_timebased": "    Timebased activation will expire {value}",
    "xpr_2": "    Initial grace period ends {value}",
    "xpr_3": "    Additional grace period ends {value}",
    "xpr_4": "    Non-genuine grace period ends {value}",
    "xpr_5": "    Windows is in Notification mode",
    "xpr_6": "    Extended grace period ends {value}",
    # -- slmgr.vbs, an error that WMI reports
    "error": (
        "Error: 0x{value} On a computer running Microsoft Windows non-core edition, run "
        "'slui.exe 0x2a 0x{value}' to display the error text."
    ),
    # -- cscript.exe
    "banner": "Microsoft (R) Windows Script Host Version {version}",
    "rights": "Copyright (C) Microsoft Corporation. All rights reserved.",
    "no_script": 'Input Error: Can not find script file "{value}".',
    # -- cmd.exe
    "unknown": "'{value}' is not recognized as an internal or external command,\r\noperable program or batch file.",
}

GERMAN: Mapping[str, str] = {
    "service_version": "Version des Softwarelizenzierungsdiensts: {value}",
    "name": "Name: {value}",
    "description": "Beschreibung: {value}",
    "additional_info": "Zusätzliche Informationen: {value}",
    "activation_id": "Aktivierungs-ID: {value}",
    "application_id": "Anwendungs-ID: {value}",
    "extended_pid": "Erweiterte PID: {value}",
    "channel": "Product Key-Kanal: {value}",
    "installation_id": "Installations-ID: {value}",
    "processor_url": "Prozessorzertifikat-URL: {value}",
    "machine_url": "Computerzertifikat-URL: {value}",
    "use_license_url": "Lizenz-URL verwenden: {value}",
    "product_key_url": "Product Key-Zertifikat-URL: {value}",
    "validation_url": "Validierungs-URL: {value}",
    "partial_key": "Teil-Product Key: {value}",
    "not_in_use": "Diese Lizenz wird nicht verwendet.",
    "status_0": "Lizenzstatus: Nicht lizenziert",
    "status_1": "Lizenzstatus: Lizenziert",
    "status_2": "Lizenzstatus: Anfänglicher Aktivierungszeitraum",
    "status_3": (
        "Lizenzstatus: Zusätzlicher Aktivierungszeitraum (KMS-Lizenz abgelaufen oder Hardware außerhalb der Toleranz)"
    ),
    "status_4": "Lizenzstatus: Aktivierungszeitraum für nicht originale Software.",
    "status_5": "Lizenzstatus: Benachrichtigung",
    "status_6": "Lizenzstatus: Verlängerter Aktivierungszeitraum",
    "expires_volume": "Ablauf der Volumenaktivierung: {minutes} Minute(n) ({days} Tag(e))",
    "expires_timebased": "Ablauf der zeitbegrenzten Aktivierung: {minutes} Minute(n) ({days} Tag(e))",
    "remaining": "Verbleibende Zeit: {minutes} Minute(n) ({days} Tag(e))",
    "reason_non_genuine": "Benachrichtigungsgrund: 0x{value} (nicht original).",
    "reason_expired": "Benachrichtigungsgrund: 0x{value} (Aktivierungszeitraum abgelaufen).",
    "reason": "Benachrichtigungsgrund: 0x{value}.",
    "evaluation_end": "Enddatum der Evaluierung: {value}",
    # Both counts have one name in German.
    "windows_rearms": "Verbleibende Windows Rearm-Anzahl: {value}",
    "app_rearms": "Verbleibende App Rearm-Anzahl: {value}",
    "sku_rearms": "Verbleibende Windows Rearm-Anzahl: {value}",
    "trusted_time": "Vertrauenswürdige Zeit: {value}",
    "type_0": "Konfigurierter Aktivierungstyp: Alle",
    "type_1": "Konfigurierter Aktivierungstyp: AD",
    "type_2": "Konfigurierter Aktivierungstyp: KMS",
    "type_3": "Konfigurierter Aktivierungstyp: Token",
    "activate_first": (
        "Verwenden Sie slmgr.vbs /ato, um die KMS-Clientinformationen zu aktivieren und zu aktualisieren, "
        "damit die Werte aktualisiert werden."
    ),
    "most_recent": "Aktuellste Aktivierungsinformationen:",
    "client": "Schlüsselverwaltungsdienst-Clientinformationen",
    "cmid": "    Clientcomputer-ID (CMID): {value}",
    "lookup_domain": "    Registrierte Suchdomäne für KMS-SRV-Einträge: {value}",
    "fixed_host": "    Registrierter KMS-Computername: {value}",
    "dns_host": "    KMS-Computername aus DNS: {value}",
    "no_dns_host": "    Automatische DNS-Ermittlung: KMS-Name nicht verfügbar",
    "host_address": "    KMS-Computer-IP-Adresse: {value}",
    "no_host_address": "    KMS-Computer-IP-Adresse: nicht verfügbar",
    "host_pid": "    Erweiterte PID des KMS-Computers: {value}",
    "activation_interval": "    Aktivierungsintervall: {value} Minuten",
    "renewal_interval": "    Erneuerungsintervall: {value} Minuten",
    "caching_on": "    KMS-Hostzwischenspeicherung ist aktiviert",
    "caching_off": "    KMS-Hostzwischenspeicherung ist deaktiviert",
    "fixed_wins": (
        "Warnung: Die Einstellung /skms setzt die Einstellung /skms-domain außer Kraft. "
        "Für die Aktivierung wird {value} verwendet."
    ),
    "ad": "AD-Aktivierung - Clientinformationen",
    "ad_name": "    Name des Aktivierungsobjekts: {value}",
    "ad_dn": "    AO-DN: {value}",
    "ad_pid": "    Erweiterte PID des AO: {value}",
    "ad_sku": "    Aktivierungs-ID des AO: {value}",
    "host": "Der Schlüsselverwaltungsdienst ist auf diesem Computer aktiviert",
    "count": "    Aktuelle Anzahl: {value}",
    "port": "    Lauschen am Port: {value}",
    "publishing_on": "    DNS-Veröffentlichung aktiviert",
    "publishing_off": "    DNS-Veröffentlichung deaktiviert",
    "priority_normal": "    KMS-Priorität: Normal",
    "priority_low": "    KMS-Priorität: Niedrig",
    "requests": "Kumulative Anforderungen von Clients an den Schlüsselverwaltungsdienst",
    "requests_total": "    Empfangene Anforderungen insgesamt: {value}",
    "requests_failed": "    Fehlerhafte Anforderungen: {value}",
    "requests_0": "    Anforderungen mit Lizenzstatus Nicht lizenziert: {value}",
    "requests_1": "    Anforderungen mit Lizenzstatus Lizenziert: {value}",
    "requests_2": "    Anforderungen mit Lizenzstatus Anfänglicher Aktivierungszeitraum: {value}",
    "requests_3": (
        "    Anforderungen mit Lizenzstatus Lizenz abgelaufen oder Hardware außerhalb der Toleranz: {value}"
    ),
    "requests_4": "    Anforderungen mit Lizenzstatus Aktivierungszeitraum für nicht originale Software: {value}",
    "requests_5": "    Anforderungen mit Lizenzstatus Benachrichtigung: {value}",
    "no_key": "Fehler: Der Product Key wurde nicht gefunden.",
    "xpr_0": "    Nicht lizenziert",
    "xpr_forever": "    Der Computer ist dauerhaft aktiviert.",
    "xpr_volume": "    Die Volumenaktivierung läuft am {value} ab",
    "xpr_timebased": "    Die zeitbegrenzte Aktivierung läuft am {value} ab",
    "xpr_2": "    Der anfängliche Aktivierungszeitraum endet am {value}",
    "xpr_3": "    Der zusätzliche Aktivierungszeitraum endet am {value}",
    "xpr_4": "    Der Aktivierungszeitraum für nicht originale Software endet am {value}",
    "xpr_5": "    Windows befindet sich im Benachrichtigungsmodus",
    "xpr_6": "    Der verlängerte Aktivierungszeitraum endet am {value}",
    "error": (
        "Fehler: 0x{value} Führen Sie auf einem Computer, auf dem eine andere Edition von Microsoft Windows als die "
        'Core-Edition ausgeführt wird, "slui.exe 0x2a 0x{value}" aus, um den Fehlertext anzuzeigen.'
    ),
    "banner": "Microsoft (R) Windows Script Host, Version {version}",
    "rights": "Copyright (C) Microsoft Corporation. Alle Rechte vorbehalten.",
    "no_script": 'Eingabefehler: Skriptdatei "{value}" kann nicht gefunden werden.',
    "unknown": 'Der Befehl "{value}" ist entweder falsch geschrieben oder\r\nkonnte nicht gefunden werden.',
}

_LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": ENGLISH, "de": GERMAN}
#: The code page of a console where nothing else was asked for (GetOEMCP).
_OEM_CODE_PAGES = {"en": 437, "de": 850, "fr": 850, "ja": 932}
_CODECS = {65001: "utf-8", 20127: "ascii", 28591: "latin-1"}


def _language(locale: str) -> str:
    return locale.partition("-")[0].lower()


def say(key: str, locale: str, **values: object) -> str:
    """One line in the machine's language; English where the lab has no translation."""
    return _LANGUAGES.get(_language(locale), ENGLISH)[key].format(**values)


def format_moment(moment: datetime, locale: str) -> str:
    """A local date and time as VBScript prints it with the regional settings that come with a language."""
    day, clock = f"{moment.day:02d}", f"{moment:%H:%M:%S}"
    if _language(locale) == "de":
        return f"{day}.{moment.month:02d}.{moment.year} {clock}"
    if _language(locale) == "fr":
        return f"{day}/{moment.month:02d}/{moment.year} {clock}"
    if _language(locale) == "ja":
        return f"{moment.year}/{moment.month:02d}/{day} {moment.hour}:{moment:%M:%S}"
    half = "AM" if moment.hour < 12 else "PM"
    return f"{moment.month}/{moment.day}/{moment.year} {moment.hour % 12 or 12}:{moment:%M:%S} {half}"


def oem_code_page(locale: str) -> int:
    """The code page of the machine's consoles."""
    return _OEM_CODE_PAGES.get(_language(locale), 437)


def code_page(number: int) -> str | None:
    """Python's name of a Windows code page, or None for one that it does not know."""
    try:
        return codecs.lookup(_CODECS.get(number, f"cp{number}")).name
    except LookupError:
        return None
