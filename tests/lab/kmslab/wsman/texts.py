# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulated machines say in their own language: the sentences of faults, in this project's words.

Windows localises these texts, so no client may depend on them; only the HRESULT in hexadecimal is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

_ENGLISH = {
    "access_denied": "Access is denied. ",
    "not_found": "The request names a resource that this service cannot find: check resource URI and selectors. ",
    "bad_action": "The request cannot be processed: this resource does not have the requested action. ",
    "bad_uri": "The request cannot be processed: the resource URI is missing or not of a known form. ",
    "bad_filter": "The filter could not be processed. It is missing or not valid. ",
    "bad_dialect": "The dialect of the filter is not supported. ",
    "no_class": "The given namespace has no class of this name. ",
    "no_namespace": "There is no such namespace. ",
    "bad_query": "The query is not valid. ",
    "bad_context": "The enumeration context is not valid: it was used up, released, or has expired. ",
    "timed_out": "The operation could not be completed in the time that OperationTimeout allows. ",
    "bad_selectors": "The request cannot be processed: the selectors do not fit the resource. ",
    "few_selectors": "The request cannot be processed: it does not give a value for every key of the class. ",
    "bad_selector_value": "The request cannot be processed: a selector's value does not fit its key. ",
    "no_selectors": "The request needs key selectors: only a class without keys can be addressed without them. ",
    "query_with_class": "A query needs a resource URI that ends in an asterisk, not in a class. ",
    "schema": "The XML of the request does not fit its schema: an element is unknown or its value is of a wrong type. ",
    "bad_xml": "The request cannot be processed: its XML is not valid. ",
    "small_envelope": "MaxEnvelopeSize is too small: at least 8192 is needed. ",
    "big_answer": "The answer would be larger than MaxEnvelopeSize. ",
    "no_header": "A required header of the message is missing or not valid: {header}. ",
    "not_understood": "The message has a header that must be understood and is not known here. ",
    "version": "The message is not a SOAP 1.2 envelope. ",
    "no_feature": "The request asks for a feature that this service does not offer: {feature}. ",
    "quota": "The maximum number of concurrent operations for this user was exceeded. ",
    "quota_detail": "This user may run {limit} concurrent operations, which was exceeded. ",
    "shell_quota": "The maximum number of concurrent shells for this user was exceeded. ",
    "not_capable": "The provider of this class cannot do the requested operation. ",
    "provider": "The WMI service or a WMI provider reported an error: HRESULT 0x{hresult:08x} ",
    "internal": "The service met an internal error. ",
}

_GERMAN = {
    "access_denied": "Zugriff verweigert ",
    "not_found": "Die Anforderung nennt eine Ressource, die dieser Dienst nicht findet: URI und Selektoren prüfen. ",
    "bad_action": "Die Anforderung kann nicht verarbeitet werden: Die Ressource kennt die verlangte Aktion nicht. ",
    "bad_uri": "Die Anforderung kann nicht verarbeitet werden: Der Ressourcen-URI fehlt oder hat keine bekannte Form. ",
    "bad_filter": "Der Filter konnte nicht verarbeitet werden. Er fehlt oder ist ungültig. ",
    "bad_dialect": "Der Dialekt des Filters wird nicht unterstützt. ",
    "no_class": "Im angegebenen Namespace gibt es keine Klasse dieses Namens. ",
    "no_namespace": "Diesen Namespace gibt es nicht. ",
    "bad_query": "Die Abfrage ist ungültig. ",
    "bad_context": "Der Aufzählungskontext ist ungültig: verbraucht, freigegeben oder abgelaufen. ",
    "timed_out": "Der Vorgang konnte in der von OperationTimeout erlaubten Zeit nicht abgeschlossen werden. ",
    "bad_selectors": "Die Anforderung kann nicht verarbeitet werden: Die Selektoren passen nicht zur Ressource. ",
    "few_selectors": "Die Anforderung kann nicht verarbeitet werden: Es fehlt der Wert eines Schlüssels der Klasse. ",
    "bad_selector_value": "Die Anforderung kann nicht verarbeitet werden: Ein Selektorwert passt nicht zum Schlüssel. ",
    "no_selectors": "Die Anforderung braucht Schlüsselselektoren: Nur Klassen ohne Schlüssel kommen ohne sie aus. ",
    "query_with_class": "Eine Abfrage braucht einen Ressourcen-URI mit Stern am Ende, nicht mit einer Klasse. ",
    "schema": "Das XML der Anforderung passt nicht zum Schema: unbekanntes Element oder Wert falschen Typs. ",
    "bad_xml": "Die Anforderung kann nicht verarbeitet werden: Ihr XML ist ungültig. ",
    "small_envelope": "MaxEnvelopeSize ist zu klein: Mindestens 8192 ist nötig. ",
    "big_answer": "Die Antwort wäre größer als MaxEnvelopeSize. ",
    "no_header": "Ein verlangter Kopf der Nachricht fehlt oder ist ungültig: {header}. ",
    "not_understood": "Die Nachricht hat einen Kopf, der verstanden werden muss und hier nicht bekannt ist. ",
    "version": "Die Nachricht ist kein Umschlag nach SOAP 1.2. ",
    "no_feature": "Die Anforderung verlangt etwas, das dieser Dienst nicht anbietet: {feature}. ",
    "quota": "Die Höchstzahl gleichzeitiger Vorgänge dieses Benutzers wurde überschritten. ",
    "quota_detail": "Dieser Benutzer darf {limit} Vorgänge gleichzeitig ausführen; das wurde überschritten. ",
    "shell_quota": "Die Höchstzahl gleichzeitiger Shells dieses Benutzers wurde überschritten. ",
    "not_capable": "Der Anbieter dieser Klasse kann den verlangten Vorgang nicht ausführen. ",
    "provider": "Der WMI-Dienst oder ein WMI-Anbieter meldet einen Fehler: HRESULT 0x{hresult:08x} ",
    "internal": "Im Dienst ist ein interner Fehler aufgetreten. ",
}

_LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": _ENGLISH, "de": _GERMAN}


def sentence(key: str, locale: str, parameters: Mapping[str, object] | None = None) -> str:
    """One sentence in the machine's language; English where there is no translation."""
    table = _LANGUAGES.get(locale.partition("-")[0].lower(), _ENGLISH)
    return table[key].format(**(parameters or {}))
