# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as one HTML page that needs nothing else: style, script and data are inside, and it loads nothing.

Names and texts come from machines, and are never trusted: all of them are escaped, and a content security policy lets
the page's own script run and no other.  The page shows a bounded number of table rows however many hosts there are:
the first ones are in the page as it is, all others are data that the script shows a screen at a time.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from .charts import Bar, bars, columns, counter, mark, number, percent, strip
from .markup import Child, Safe, join, tag
from .words import CLIENT_THRESHOLD, SERVER_THRESHOLD, SEVERITIES, status_of

DATA = Path(__file__).parent / "data"
#: So many rows can be read without the script, and lists are cut after so many entries.
STATIC_ROWS = 100
MAX_BARS = 12
MAX_LINES = 50
MAX_NAMES = 8

#: The table of hosts: headings and classes.
COLUMNS = (
    ("Host", None),
    ("Status", None),
    ("Days left", "figure"),
    ("Product", "product"),
    ("Key", None),
    ("KMS host used", None),
    ("Client machine ID", None),
    ("Last error, and what to do", "wide"),
)


@cache
def _asset(name: str) -> str:
    """A file of the page without its licence header, which the page as a whole does not need to repeat."""
    content = (DATA / name).read_text(encoding="utf-8")
    return content.partition("*/")[2].strip()


def page(report: Mapping[str, Any]) -> str:
    """The page of a report; see `document.build_report`."""
    summary = report["summary"]
    style, script = _asset("page.css"), _asset("page.js")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("link", rel="icon", href="data:,"),
        tag("title", report["title"]),
        tag("style", Safe(style)),
    )
    body = tag(
        "body",
        tag("a", "Skip to the hosts", class_="skip", href="#hosts"),
        _header(report),
        tag(
            "main",
            _tiles(summary["totals"]),
            tag("div", _status(summary), _days(summary), class_="pair"),
            _errors(summary["errors"]),
            _kms_hosts(summary["kms_hosts"]),
            tag("div", _servers(summary["kms_servers"]), _channels(summary["channels"]), class_="pair"),
            _products(summary["products"]),
            _duplicates(summary["duplicates"]),
            _hosts(report["rows"]),
        ),
        _data(report["rows"]),
        tag("script", Safe(script)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _policy(style: str, script: str) -> str:
    def digest(content: str) -> str:
        return base64.b64encode(hashlib.sha256(content.encode("utf-8")).digest()).decode("ascii")

    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest(style)}'; script-src 'sha256-{digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


# -- the head of the page ----------------------------------------------------------------------------------------------


def _header(report: Mapping[str, Any]) -> Safe:
    totals = report["summary"]["totals"]
    written = tag("time", _readable(report["time"]), datetime=report["time"])
    return tag(
        "header",
        tag("h1", report["title"]),
        tag("p", _verdict(totals), class_="verdict"),
        tag("p", "State of ", written, class_="quiet"),
    )


def _readable(time: str) -> str:
    """2026-11-22 19:00 UTC for 2026-11-22T19:00:00Z; another text as it is."""
    if len(time) == 20 and time[10] == "T" and time.endswith("Z"):
        return f"{time[:10]} {time[11:16]} UTC"
    return time


def _verdict(totals: Mapping[str, int]) -> str:
    if not totals["hosts"]:
        return "The report has no hosts."
    sentences = [f"{number(totals['licensed'])} of {_many(totals['licenses'], 'licence')} are activated."]
    missing = totals["hosts_not_reached"] + totals["hosts_failed"]
    if missing:
        sentences.append(f"{_many(missing, 'host')} could not be read.")
    return " ".join(sentences)


def _many(count: int, what: str) -> str:
    return f"{number(count)} {what}{'' if count == 1 else 's'}"


def _tiles(totals: Mapping[str, int]) -> Safe:
    missing = totals["hosts_not_reached"] + totals["hosts_failed"]
    soon = totals["ending_soon"]
    tiles = (
        ("Hosts", totals["hosts"], f"{number(totals['kms_hosts'])} of them KMS hosts", None),
        (
            "Activated",
            totals["licensed"],
            f"{percent(totals['licensed'], totals['licenses'])} of {_many(totals['licenses'], 'licence')}",
            "ok" if totals["licensed"] else None,
        ),
        (
            "Hosts that need attention",
            totals["hosts_need_attention"],
            f"{_many(soon, 'licence')} end{'s' if soon == 1 else ''} within 30 days",
            "warn" if totals["hosts_need_attention"] else None,
        ),
        (
            "Hosts not read",
            missing,
            f"{number(totals['hosts_not_reached'])} not reached, {number(totals['hosts_failed'])} failed",
            "unknown" if missing else None,
        ),
    )
    return tag(
        "ul",
        join(
            tag(
                "li",
                tag("span", mark(tone) if tone else None, label, class_="label"),
                tag("strong", number(value)),
                tag("span", note, class_="quiet"),
            )
            for label, value, note, tone in tiles
        ),
        class_="tiles",
        aria_label="Totals",
    )


def _card(title: str, *content: Safe | None, identity: str, about: str = "") -> Safe:
    return tag(
        "section",
        tag("h2", title, id=f"{identity}-title"),
        tag("p", about, class_="quiet") if about else None,
        *content,
        class_="card",
        id=identity,
        aria_labelledby=f"{identity}-title",
    )


# -- charts ------------------------------------------------------------------------------------------------------------


def _status(summary: Mapping[str, Any]) -> Safe:
    whole = sum(entry["count"] for entry in summary["status"])
    items = [
        Bar(entry["label"], entry["count"], entry["severity"], note=percent(entry["count"], whole))
        for entry in sorted(summary["status"], key=lambda one: -SEVERITIES.index(one["severity"]))
        if entry["count"]
    ]
    return _card(
        "Status",
        strip(items),
        bars(items, caption="Licences by status", head=("Status", "Licences", "Share"), marks=True),
        identity="status",
        about="Licences by their state; a host without one counts once.",
    )


def _days(summary: Mapping[str, Any]) -> Safe:
    items = [Bar(entry["label"], entry["count"], entry["severity"]) for entry in summary["days_left"]]
    return _card(
        "Days left",
        columns(items, caption="Licences by the days that they last"),
        identity="days-left",
        about="A KMS client gets 180 days, and renews them every 7 days while it reaches its KMS host.",
    )


def _kind_bars(items: Sequence[Bar], *, caption: str, head: tuple[str, str, str], what: str) -> Safe:
    """A bar for each kind, bounded: the rest is one more line."""
    shown = list(items[:MAX_BARS])
    rest = items[MAX_BARS:]
    if rest:
        shown.append(Bar(f"{number(len(rest))} more {what}", sum(item.value for item in rest)))
    if not shown:
        return tag("p", "None.", class_="quiet")
    return bars(shown, caption=caption, head=head)


def _counted(entries: Sequence[Mapping[str, Any]], label: Any) -> list[Bar]:
    return [
        Bar(label(entry), entry["count"], part=entry["licensed"], note=f"{number(entry['licensed'])} activated")
        for entry in entries
    ]


def _products(entries: Sequence[Mapping[str, Any]]) -> Safe:
    items = _counted(entries, lambda entry: entry["product"] or "not known")
    return _card(
        "Products",
        _kind_bars(items, caption="Licences by product", head=("Product", "Licences", "Activated"), what="products"),
        identity="products",
        about="Licences by product and edition; the stronger part of a bar is activated.",
    )


def _channels(entries: Sequence[Mapping[str, Any]]) -> Safe:
    items = _counted(entries, lambda entry: entry["channel"] or "not known")
    return _card(
        "Keys",
        _kind_bars(
            items, caption="Licences by key channel", head=("Key channel", "Licences", "Activated"), what="channels"
        ),
        identity="channels",
        about="Licences by the channel of their product key; the stronger part of a bar is activated.",
    )


def _servers(entries: Sequence[Mapping[str, Any]]) -> Safe:
    def label(entry: Mapping[str, Any]) -> str:
        if not entry["server"]:
            return "none found yet"
        return f"{entry['server']}" + (f":{entry['port']}" if entry["port"] not in (None, 1688) else "")

    return _card(
        "KMS hosts used",
        _kind_bars(
            _counted(entries, label),
            caption="KMS clients by the KMS host that they use",
            head=("KMS host", "Clients", "Activated"),
            what="KMS hosts",
        ),
        identity="kms-servers",
        about="Licences with a KMS client key, by the host that they are set to or found in DNS.",
    )


def _kms_hosts(hosts: Sequence[Mapping[str, Any]]) -> Safe:
    if not hosts:
        content = tag("p", "No host of this report is a KMS host.", class_="quiet")
        return _card("Counts of the KMS hosts", content, identity="kms-hosts")
    lines = [
        tag(
            "tr",
            tag("th", host["host"], scope="row"),
            tag("td", _pill(host["status"])),
            tag("td", counter(host), class_="bar", aria_hidden="true"),
            tag("td", tag("b", number(host["current_count"])), class_="figure"),
            tag("td", *_enough(host)),
            tag("td", number(host["total_requests"]), class_="figure"),
            tag("td", number(host["failed_requests"]), class_="figure"),
        )
        for host in hosts[:MAX_LINES]
    ]
    headings = (
        ("KMS host", None),
        ("Its own licence", None),
        (f"0 to 50, lines at {SERVER_THRESHOLD} and {CLIENT_THRESHOLD}", "bar"),
        ("Count", "figure"),
        ("Enough for", "enough"),
        ("Requests", "figure"),
        ("Refused", "figure"),
    )
    return _card(
        "Counts of the KMS hosts",
        _scrolling(
            tag(
                "table",
                tag("caption", "KMS hosts and how many machines they have counted", class_="hidden"),
                tag(
                    "thead",
                    tag("tr", join(tag("th", name, scope="col", class_=kind or None) for name, kind in headings)),
                ),
                tag("tbody", join(lines)),
                class_="grid counts",
            ),
            "Counts of the KMS hosts",
        ),
        _more(len(hosts) - MAX_LINES, "KMS hosts"),
        identity="kms-hosts",
        about=(
            f"A KMS host activates servers and Office when {SERVER_THRESHOLD} machines have asked it in the last 30 "
            f"days, and Windows clients when {CLIENT_THRESHOLD} have."
        ),
    )


def _enough(host: Mapping[str, Any]) -> tuple[Safe, str]:
    count = host["current_count"]
    if count is None:
        return mark("bad"), "nothing: no machine has asked it since its service started"
    clients, servers = max(CLIENT_THRESHOLD - count, 0), max(SERVER_THRESHOLD - count, 0)
    if servers:
        return mark("bad"), f"nothing: {servers} more for servers and Office, {clients} more for Windows clients"
    if clients:
        return mark("warn"), f"servers and Office; {clients} more for Windows clients"
    return mark("ok"), "servers, Office and Windows clients"


# -- lists -------------------------------------------------------------------------------------------------------------


def _errors(errors: Sequence[Mapping[str, Any]]) -> Safe:
    if not errors:
        content = tag("p", mark("ok"), "Nothing: every licence of every host is in order.")
        return _card("What to do", content, identity="errors")
    lines = [
        tag(
            "li",
            tag("p", mark(entry["severity"]), tag("b", _many(entry["count"], "host")), class_="count"),
            tag(
                "div",
                tag("h3", *_error_title(entry)),
                tag("p", _sentence(entry["message"])) if entry["code"] else None,
                tag("p", tag("b", "What to do: "), _sentence(entry["remedy"])),
                tag("p", _names(entry["hosts"]), class_="quiet"),
            ),
        )
        for entry in errors[:MAX_LINES]
    ]
    return _card(
        "What to do",
        tag("ul", join(lines), class_="errors"),
        _more(len(errors) - MAX_LINES, "errors"),
        identity="errors",
        about="The worst first. A host can be in more than one group.",
    )


def _error_title(entry: Mapping[str, Any]) -> tuple[Safe | str, ...]:
    if not entry["code"]:
        return (_sentence(entry["message"]).removesuffix("."),)
    return (tag("code", entry["code"]), f" {entry['name']}" if entry["name"] else "")


def _duplicates(duplicates: Sequence[Mapping[str, Any]]) -> Safe | None:
    if not duplicates:
        return None
    lines = [
        tag(
            "tr",
            tag("th", tag("code", entry["client_machine_id"]), scope="row"),
            tag("td", number(len(entry["hosts"])), class_="figure"),
            tag("td", _names(entry["hosts"])),
        )
        for entry in duplicates[:MAX_LINES]
    ]
    headings = (("Client machine ID", None), ("Hosts", "figure"), ("Which", None))
    return _card(
        "Machines that share a client machine ID",
        _scrolling(
            tag(
                "table",
                tag("caption", "Client machine IDs that several hosts have", class_="hidden"),
                _head(headings),
                tag("tbody", join(lines)),
                class_="grid",
            ),
            "Machines that share a client machine ID",
        ),
        _more(len(duplicates) - MAX_LINES, "IDs"),
        identity="duplicates",
        about=(
            "A KMS host counts them as one machine. They were copied without sysprep /generalize: run it, or rearm "
            "them, and each gets an ID of its own."
        ),
    )


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MAX_NAMES])
    return shown + (f" and {number(len(names) - MAX_NAMES)} more" if len(names) > MAX_NAMES else "")


def _sentence(words: str | None) -> str:
    return f"{(words or '').rstrip('. ')}." if words else ""


def _more(count: int, what: str) -> Safe | None:
    if count <= 0:
        return None
    return tag("p", f"And {number(count)} more {what}, which are in the JSON file of the report.", class_="quiet")


def _head(headings: Iterable[tuple[str, str | None]]) -> Safe:
    """The head of a table: headings with their classes."""
    return tag("thead", tag("tr", join(tag("th", name, scope="col", class_=kind) for name, kind in headings)))


def _scrolling(table: Safe, label: str) -> Safe:
    return tag("div", table, class_="scroll", tabindex="0", role="region", aria_label=label)


# -- the table of hosts ------------------------------------------------------------------------------------------------


def _cells(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the table shows of a row, plain; the script gets the same.

    host; state, severity; days, as number and text; product; key; KMS host; ID; error in short, more of it, what to do.
    """
    status = status_of(row["status"])
    days = row["days_left"]
    server, port = row["kms_server"], row["kms_port"]
    used = f"{server}:{port}" if server and port not in (None, 1688) else server or ""
    reason, remedy = _sentence(row["error_message"]), _sentence(row["remedy"])
    # One short line, and the rest on demand: a code, or else the reason, or else what to do.
    named = f"{row['error_name']}: {reason}" if row["error_name"] else reason
    parts = [row["error_code"], named, remedy]
    short, *more = [part for part in parts if part] or [""]
    remedy = more.pop() if more else ""
    return (
        row["host"],
        status.label,
        row["severity"],
        days,
        "no end" if row["permanent"] else "" if days is None else str(days),
        row["product"] or "",
        (row["channel"] or "").removeprefix("Volume:"),
        used,
        row["client_machine_id"] or "",
        short,
        more[0] if more else "",
        remedy,
    )


def _worst_first(rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted(map(_cells, rows), key=lambda cells: SEVERITIES.index(cells[2]))


def _pill(status_key: str) -> Safe:
    status = status_of(status_key)
    return tag("span", mark(status.severity), status.label, class_="pill")


def _table_row(cells: Sequence[Any]) -> Safe:
    host, label, severity, _days, days, product, channel, server, identity, short, reason, remedy = cells
    contents: tuple[Child, ...] = (
        tag("span", mark(severity), label, class_="pill"),
        days,
        product,
        channel,
        server,
        tag("code", identity) if identity else "",
        _on_demand(short, reason, remedy),
    )
    return tag(
        "tr",
        tag("th", host, scope="row", role="rowheader"),
        join(
            tag("td", content, class_=kind, data_label=heading, role="cell")
            for content, (heading, kind) in zip(contents, COLUMNS[1:], strict=True)
        ),
        role="row",
    )


def _on_demand(short: str, reason: str, remedy: str) -> Child:
    if not reason and not remedy:
        return short
    return tag(
        "details",
        tag("summary", short),
        tag("p", reason) if reason else None,
        tag("p", tag("b", "What to do: "), remedy) if remedy else None,
    )


def _hosts(rows: Sequence[Mapping[str, Any]]) -> Safe:
    ordered = _worst_first(rows)
    labels = list(dict.fromkeys(cells[1] for cells in ordered))
    controls = tag(
        "div",
        tag(
            "label",
            "Find ",
            tag("input", type="search", id="find", autocomplete="off", placeholder="name, error, product ..."),
        ),
        tag(
            "label",
            "Status ",
            tag(
                "select",
                tag("option", "all", value=""),
                join(tag("option", label, value=label) for label in labels),
                id="only",
            ),
        ),
        tag(
            "label",
            "Rows ",
            tag("select", join(tag("option", str(size), value=str(size)) for size in (50, 100, 500)), id="size"),
        ),
        tag("p", id="shown", role="status"),
        class_="controls",
        id="controls",
        hidden=True,
    )
    pager = tag(
        "div",
        tag("button", "Previous", type="button", id="previous"),
        tag("span", id="place"),
        tag("button", "Next", type="button", id="next"),
        class_="pager",
        id="pager",
        hidden=True,
    )
    table = tag(
        "table",
        tag("caption", "Hosts and their licences, the worst first", class_="hidden"),
        _head(COLUMNS),
        tag("tbody", join(map(_table_row, ordered[:STATIC_ROWS])), id="rows", role="rowgroup"),
        class_="grid hosts",
        id="host-table",
        # On a phone, its rows are shown as blocks, which takes the meaning of a table from them.
        role="table",
    )
    left_out = len(ordered) - STATIC_ROWS
    note = (
        tag("p", f"The first {STATIC_ROWS} of {number(len(ordered))} rows. All are in the CSV file of the report.")
        if left_out > 0
        else None
    )
    return _card(
        "Hosts",
        controls,
        _scrolling(table, "Hosts and their licences"),
        pager,
        tag("noscript", note) if note else None,
        identity="hosts",
    )


def _data(rows: Sequence[Mapping[str, Any]]) -> Safe:
    """All rows for the script; texts that come again are given once, by their number."""
    texts: dict[str, int] = {}
    packed = [
        [cell if index == 3 else texts.setdefault(cell, len(texts)) for index, cell in enumerate(cells)]
        for cells in _worst_first(rows)
    ]
    content = json.dumps({"texts": list(texts), "rows": packed}, separators=(",", ":"), ensure_ascii=True)
    # Within <script>, only "<" could end it.
    return tag("script", Safe(content.replace("<", "\\u003c")), type="application/json", id="data")
