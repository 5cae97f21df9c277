"""How the output of a training becomes metrics."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Iterable, Iterator, Mapping

from energyctl.registry.repositories import Repository

NUMBER = r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|\b(?i:nan|inf(?:inity)?)\b)"

_DIGIT = r"(?:\\d|\[0-9\]|\[\\d\])"
_CLASS = r"\[(?:[-+eE]|\\[-+])*(?:0-9\\?\.|\\?\.0-9|\\d\\?\.|\\?\.\\d)(?:[-+eE]|\\[-+])*\]\+"
_SPELT = rf"{_DIGIT}[+*](?:(?:\\\.|\[\.\])\??{_DIGIT}[+*])?|{_DIGIT}\+\(\?:\\\.{_DIGIT}\+\)\?"
# A group of a user's pattern that stands for a number, as `([0-9.]+)` or `(-?\d+\.\d+)`.
_NUMBER_GROUP = re.compile(
    rf"(?<!\\)\((\?P<\w+>)?(?:-\??|\[[-+]{{1,2}}\]\?|\\?[-+]\?)?(?:{_CLASS}|{_SPELT})\)"
)
# ECMA-48 control sequences, as colours, and operating system commands, as window titles.
_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[@-Z\\^_])")

_WINDOW_CHARACTERS = 1 << 20
_KEPT_CHARACTERS = 1 << 14


def extract_metrics(repository: Repository, text: str) -> dict[str, float]:
    """The last number that each pattern finds; a metric that is not found is left out.

    Numbers may be in any notation, nan and inf included. Colours are ignored, and what a progress
    display overwrites with carriage returns is read as lines.
    """
    return extract_metrics_from(repository, io.StringIO(text))


def extract_metrics_from(repository: Repository, lines: Iterable[str]) -> dict[str, float]:
    """The same for output of any length, read once; a match may span some lines."""
    patterns = {name: compiled(source) for name, source in repository.patterns.items()}
    found: dict[str, float] = {}
    for window in _windows(lines):
        _search(patterns, window, found)
    return {name: found[name] for name in patterns if name in found}


def _windows(lines: Iterable[str]) -> Iterator[str]:
    """Text in pieces of about a megabyte; each starts with the last lines of the one before."""
    window: list[str] = []
    size = 0
    for line in lines:
        window.append(line if line.endswith(("\n", "\r")) else f"{line}\n")
        size += len(line)
        if size >= _WINDOW_CHARACTERS:
            text = _plain("".join(window))
            yield text
            window = [text[-_KEPT_CHARACTERS:].partition("\n")[2]]
            size = 0
    if size:
        yield _plain("".join(window))


def _plain(text: str) -> str:
    if "\x1b" in text:
        text = _CONTROL.sub("", text)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _search(patterns: Mapping[str, re.Pattern[str]], text: str, found: dict[str, float]) -> None:
    for name, pattern in patterns.items():
        for match in pattern.finditer(text):
            group = next((part for part in match.groups() if part is not None), None)
            if group is not None:
                try:
                    found[name] = float(group)
                except ValueError:
                    continue


@functools.lru_cache(maxsize=256)
def compiled(source: str) -> re.Pattern[str]:
    """A pattern whose groups for numbers read every notation. Raises re.error."""
    return re.compile(
        _NUMBER_GROUP.sub(lambda group: f"({group[1] or ''}{NUMBER})", source), re.MULTILINE
    )
