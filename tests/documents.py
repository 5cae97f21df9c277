"""The pages of the documentation, and what stands in them."""

from __future__ import annotations

import re
from pathlib import Path

import energyctl

PACKAGE = Path(energyctl.__file__).parent
ROOT = PACKAGE.parent
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "README.zh-CN.md"]
FENCE = re.compile(r"^(`{3,})([a-z]*)[^\n]*\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose_of(page: Path) -> str:
    """Without code blocks."""
    return FENCE.sub("", text_of(page))
