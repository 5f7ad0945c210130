# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation as HTML in .build/html: every warning is an error, and every link leads somewhere."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

from .errors import StageError
from .runner import Job
from .tree import BUILD, COLLECTION, ROOT, VENV_BIN

SOURCES = ROOT / "docs" / "html"
HTML = BUILD / "html"


def html(job: Job, environment: Mapping[str, str]) -> None:
    """Build the pages.  environment: says where Ansible finds the collection."""
    work = BUILD / "html-sources"
    for folder in (work, HTML):
        shutil.rmtree(folder, ignore_errors=True)
    pages = work / "collection"
    pages.mkdir(parents=True)
    # antsibull-docs asks for it.
    pages.chmod(0o700)
    for name in ("conf.py", "index.rst"):
        shutil.copy(SOURCES / name, work / name)
    (work / "static").mkdir()
    shutil.copy(SOURCES / "page.css", work / "static" / "page.css")
    labels = yaml.safe_load((SOURCES / "external_labels.yml").read_text(encoding="utf-8"))
    (work / "ansible.inv").write_bytes(_inventory(labels))
    job.run(
        VENV_BIN / "antsibull-docs",
        *("collection", "--use-current", "--squash-hierarchy", "--fail-on-error", "--no-add-antsibull-docs-version"),
        *("--dest-dir", pages, COLLECTION),
        env=environment,
    )
    # antsibull-docs leaves pictures behind.
    shutil.copytree(ROOT / "docs" / "docsite" / "rst" / "images", pages / "docsite" / "images")
    job.run(
        VENV_BIN / "sphinx-build",
        *("-b", "html", "--fail-on-warning", "--keep-going", "--jobs", "2", "-d", work / "doctrees", work, HTML),
    )
    wrong = list(wrong_links(HTML))
    if wrong:
        raise StageError("links of the documentation lead nowhere", "\n".join(wrong))
    job.notes.append(f"{len(list(HTML.rglob('*.html')))} pages in {HTML.relative_to(ROOT)}")


def _inventory(labels: Mapping[str, str]) -> bytes:
    """An inventory of Sphinx, version 2: four lines of text, then lines that are compressed."""
    lines = "".join(f"{label} std:label -1 {place} {label}\n" for label, place in sorted(labels.items()))
    head = "# Sphinx inventory version 2\n# Project: ansible\n# Version:\n# The remainder is compressed using zlib.\n"
    return head.encode() + zlib.compress(lines.encode())


class _Page(HTMLParser):
    """The links of a page, and the anchors that others may link to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value or "")
            elif (name == "href" and tag in ("a", "link")) or (name == "src" and tag in ("img", "script")):
                self.links.append(value or "")


def wrong_links(folder: Path) -> Iterator[str]:
    """Every link that leads nowhere, with its page.  Nothing is fetched: of other sites only the form is looked at."""
    pages = {path.resolve(): _Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    for path, page in pages.items():
        for link in page.links:
            if reason := _wrong(link, path, pages):
                yield f"{path.relative_to(folder.resolve())}: {link}: {reason}"


def _wrong(link: str, path: Path, pages: Mapping[Path, _Page]) -> str:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        sound = parts.scheme == "https" and "." in parts.netloc and " " not in link
        return "" if sound or parts.scheme in ("mailto", "data") else "is no address of https"
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return "there is no such file"
    if target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return "there is no such place on the page"
    return ""
