# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Win32_NTLogEvent and Win32_NTEventlogFile: the classic event logs, as far as licensing has written to them.

Properties and types: learn.microsoft.com/previous-versions/windows/desktop/eventlogprov.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..cim import Instance, Value
from ..model.events import APPLICATION_LOG, ERROR, INFORMATION, KINDS, KMS_LOG, SPP_SOURCE, WARNING, Event, log_of
from .base import BaseProvider, wmi_class

if TYPE_CHECKING:
    from ..model.estate import Estate
    from ..model.machine import Machine

_EVENT = """
Logfile string key
RecordNumber uint32 key
Category uint16
CategoryString string
ComputerName string
Data uint8[]
EventCode uint16
EventIdentifier uint32
EventType uint8
InsertionStrings string[]
Message string
SourceName string
TimeGenerated datetime
TimeWritten datetime
Type string
User string
"""

_LOG_FILE = """
Name string key
Caption string
CSName string
Extension string
FileName string
FileSize uint64
LogfileName string
MaxFileSize uint32
NumberOfRecords uint32
OverwriteOutDated uint32
OverWritePolicy string
Sources string[]
Status string
"""

#: Level -> (EventType, severity bits of EventIdentifier).
_LEVELS = {ERROR: (1, 0xC0000000), WARNING: (2, 0x80000000), INFORMATION: (3, 0x40000000)}
_EVENT_CODE = 0xFFFF
_BYTES_PER_EVENT = 700
_MAX_SIZE = 20 * 1024 * 1024


class LogEventProvider(BaseProvider):
    """Win32_NTLogEvent: all events of all logs, the newest of each log first."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        super().__init__(estate, machine)
        self.cim_class = wmi_class("root/cimv2", "Win32_NTLogEvent", _EVENT)

    def instances(self) -> Iterable[Instance]:
        with self.estate.lock:
            return list(self.rows())

    def rows(self) -> Iterable[dict[str, Value]]:
        start = self.estate.now() - datetime.timedelta(minutes=self.estate.minute)
        computer = self.machine.fqdn
        newest_first = list(reversed(self.machine.events))
        return [
            self._row(event, log, start, computer)
            for log in (APPLICATION_LOG, KMS_LOG)
            for event in newest_first
            if log_of(event) == log
        ]

    @staticmethod
    def _row(event: Event, log: str, start: datetime.datetime, computer: str) -> dict[str, Value]:
        kind = KINDS.get(event["event"])
        level = event.get("level") or (kind.level if kind else INFORMATION)
        number, severity = _LEVELS[level]
        written = start + datetime.timedelta(minutes=event["minute"])
        strings = event.get("strings")
        if strings is None and kind is not None:
            strings = kind.strings(event, lambda minute: start + datetime.timedelta(minutes=minute))
        text = kind.text if kind else ""
        return {
            "Logfile": log,
            "RecordNumber": event["record"],
            "Category": 0,
            "CategoryString": None,
            "ComputerName": computer,
            "Data": None,
            "EventCode": event["event"] & _EVENT_CODE,
            "EventIdentifier": severity | event["event"],
            "EventType": number,
            "InsertionStrings": strings or None,
            "Message": f"{text}\r\nInfo:\r\n{','.join(part for part in strings or () if part)}\r\n",
            "SourceName": event.get("source") or SPP_SOURCE,
            "TimeGenerated": written,
            "TimeWritten": written,
            "Type": level,
            "User": None,
        }


class LogFileProvider(BaseProvider):
    """Win32_NTEventlogFile: the two logs."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        super().__init__(estate, machine)
        self.cim_class = wmi_class("root/cimv2", "Win32_NTEventlogFile", _LOG_FILE)

    def rows(self) -> Iterable[dict[str, Value]]:
        logs = [log_of(event) for event in self.machine.events]
        sources = {APPLICATION_LOG: ["Application", SPP_SOURCE], KMS_LOG: ["Key Management Service", "KmsRequests"]}
        for log, written_by in sources.items():
            path = f"C:\\Windows\\System32\\Winevt\\Logs\\{log}.evtx"
            yield {
                "Name": path,
                "Caption": path,
                "CSName": self.machine.name.upper(),
                "Extension": "evtx",
                "FileName": log,
                "FileSize": 69632 + _BYTES_PER_EVENT * logs.count(log),
                "LogfileName": log,
                "MaxFileSize": _MAX_SIZE,
                "NumberOfRecords": logs.count(log),
                "OverwriteOutDated": 0,
                "OverWritePolicy": "WhenNeeded",
                "Sources": written_by,
                "Status": "OK",
            }
