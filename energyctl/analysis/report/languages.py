"""The languages of a page. The English words are the keys of the catalogue, `page.zh.json`.

A key may have holes, ``{n} of {all}``: it is filled, or recognised in a finished text. A hole of
one letter holds a figure.
Messages of results stay as they were written.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energyctl.text import count

LANGUAGES = ("en", "zh")
FIGURE = r"[-+−–]?[\d.]+(?: ± [\d.]+)?(?: %)?"
EVIDENCE = re.compile(
    r" ?\((?:\d+(?:\.\d+)? %(?: interval|,).*"
    r"|\d+ (?:blocks?|pairs?|runs?|of|against)\b[^()]*\)[^()]*$)"
    r"|（(?:\d+(?:\.\d+)? %|\d+ (?:个|对|次)).*|: with `.*|：在实验.*",
    re.DOTALL,
)
"""As sentences of comparisons and shares have it."""


@dataclass(frozen=True)
class Said:
    """A text, and its language where that is not the page's."""

    text: str
    lang: str | None = None

    @property
    def claim(self) -> str:
        """What stands before the interval, if there is one."""
        return self.text.removesuffix(self.evidence)

    @property
    def evidence(self) -> str:
        """From the interval, or n, in brackets on; of what is missing, what helps."""
        found = EVIDENCE.search(self.text)
        return self.text[found.start() :] if found else ""


class Language:
    """name: of :data:`LANGUAGES`. words: the catalogue, empty of English."""

    def __init__(self, name: str = "en") -> None:
        self.name = name
        self.words: Mapping[str, str] = {} if name == "en" else _catalogue(name)

    def __call__(self, text: str, **values: object) -> str:
        """A key with its holes filled, or a finished text; what is in no catalogue stays."""
        if values:
            return self.words.get(text, text).format(**values)
        return self._known(text) or text

    def count(self, number: int, noun: str) -> str:
        """``3 runs``."""
        return count(number, noun) if self.name == "en" else self(f"{{n}} {noun}s", n=number)

    def said(self, text: str) -> Said:
        """A sentence of the analysis: translated, or told to be English."""
        known = text if self.name == "en" else self._known(text)
        return Said(text, "en") if known is None else Said(known)

    def _known(self, text: str) -> str | None:
        return _known(self.name, text) if self.words else None

    def chart(self, spec: Any) -> Any:
        """A specification with its titles in this language."""
        if not self.words:
            return spec
        if isinstance(spec, list):
            return [self.chart(one) for one in spec]
        if not isinstance(spec, dict):
            return spec
        return {key: self._part(key, value) for key, value in spec.items()}

    def _part(self, key: str, value: Any) -> Any:
        if key in ("title", "text"):
            return self._title(value)
        if key == "labelExpr":
            return re.sub(
                r"(['\"])(.+?)\1", lambda found: f"{found[1]}{self(found[2])}{found[1]}", value
            )
        return self.chart(value)

    def _title(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._title(one) for one in value]
        return self(value) if isinstance(value, str) else self.chart(value)


def language_of(environment: Mapping[str, str]) -> str:
    """By the locale: the first of LC_ALL, LC_MESSAGES and LANG that is set."""
    names = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return "zh" if next(filter(None, names), "").startswith("zh") else "en"


@functools.cache
def _catalogue(name: str) -> dict[str, str]:
    path = Path(__file__).parent / f"page.{name}.json"
    words: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return words


@functools.lru_cache(maxsize=10_000)
def _known(name: str, text: str) -> str | None:
    words = _catalogue(name)
    if text in words:
        return words[text]
    for pattern, translated in _patterns(name):
        found = pattern.fullmatch(text)
        if found:
            holes = {
                hole: _known(name, value) or value for hole, value in found.groupdict().items()
            }
            return translated.format(**holes)
    return None


@functools.cache
def _patterns(name: str) -> list[tuple[re.Pattern[str], str]]:
    """Keys with holes: those of figures alone first, then the longest."""
    keys = [key for key in _catalogue(name) if "{" in key]
    keys.sort(key=lambda key: (bool(re.search(r"{\w\w", key)), -len(key)))
    return [(_pattern(key), _catalogue(name)[key]) for key in keys]


def _pattern(key: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", key)
    return re.compile("".join(_hole(p) if i % 2 else re.escape(p) for i, p in enumerate(parts)))


def _hole(name: str) -> str:
    return f"(?P<{name}>{FIGURE if len(name) == 1 else '.+?'})"
