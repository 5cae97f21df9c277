"""A hook of MkDocs: README's reference sections become pages of the site, and links follow them.

A page of docs/ links to them as on GitHub (`../README.md#settings`); on the site that is
`settings.md`. Links to other files outside docs/ have nowhere to lead there: their text stays.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

README = Path(__file__).parents[2] / "README.md"

# Section of the README → page of the site.
PAGES = {
    "Settings": "settings.md",
    "Results": "results.md",
    "Questions": "questions.md",
    "Changes": "changes.md",
}
ANCHORS = {title.lower(): page for title, page in PAGES.items()}
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")


def sections(text: str) -> dict[str, str]:
    """Title of each second-level section → its Markdown, without the title's line."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def target(link: str) -> str | None:
    """Where a link of a page of docs/ leads on the site; None: nowhere, the file is not on it."""
    if not link.startswith("../"):
        return link
    path, _, anchor = link.removeprefix("../").partition("#")
    return ANCHORS.get(anchor, "index.md") if path == "README.md" else None


def from_readme(link: str) -> str:
    """A link of the README, as a page of docs/ would write it."""
    if link.startswith("#"):
        return f"../README.md{link}"
    if "://" in link:
        return link
    return link.removeprefix("docs/") if link.startswith("docs/") else f"../{link}"


def relinked(text: str) -> str:
    """The Markdown of a page, its links led to where they lead on the site."""

    def one(match: re.Match[str]) -> str:
        led = target(match[2])
        return match[1] if led is None else f"[{match[1]}]({led})"

    return LINK.sub(one, text)


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Adds the pages that are made of the README."""
    found = sections(README.read_text(encoding="utf-8"))
    for title, page in PAGES.items():
        body = LINK.sub(lambda match: f"[{match[1]}]({from_readme(match[2])})", found[title])
        files.append(File.generated(config, page, content=f"# {title}\n{body}"))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Leads the links of each page."""
    return relinked(markdown)
