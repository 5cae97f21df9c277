"""How the output of a training becomes metrics, and how far it has come."""

from __future__ import annotations

import functools
import io
import math
import re
from collections.abc import Iterable, Iterator

from energyctl.config.registry.model import Metric, Repository, Select

NUMBER = r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|\b(?i:nan|inf(?:inity)?)\b)"

_DIGIT = r"(?:\\d|\[0-9\]|\[\\d\])"
_CLASS = r"\[(?:[-+eE]|\\[-+])*(?:0-9\\?\.|\\?\.0-9|\\d\\?\.|\\?\.\\d)(?:[-+eE]|\\[-+])*\]\+"
_SPELT = rf"{_DIGIT}[+*](?:(?:\\\.|\[\.\])\??{_DIGIT}[+*])?|{_DIGIT}\+\(\?:\\\.{_DIGIT}\+\)\?"
# A group of a user's pattern that stands for a number, as `([0-9.]+)` or `(-?\d+\.\d+)`.
_NUMBER_GROUP = re.compile(
    rf"(?<!\\)\((\?P<\w+>)?(?:-\??|\[[-+]{{1,2}}\]\?|\\?[-+]\?)?(?:{_CLASS}|{_SPELT})\)"
)
# A number's placeholder; where the user wrote a group around it, that one is the number.
_PLACEHOLDER = re.compile(
    r"(?<!\\)\(\?P<(\w+)>\{number\}\)|(?<!\\)\(\{number\}\)|(?<!\\)\{number\}"
)
# ECMA-48 control sequences, as colours, and operating system commands, as window titles.
_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[@-Z\\^_])")

_WINDOW_CHARACTERS = 1 << 20
_KEPT_CHARACTERS = 1 << 14


def extract_metrics(repository: Repository, text: str) -> dict[str, float]:
    """The number that each pattern of the repository and its steps finds in an output.

    A metric that is not found is left out. Numbers may be in any notation, nan and inf included.
    Colours are ignored, and what a progress display overwrites with carriage returns is read as
    lines.
    """
    return extract_metrics_from(repository, io.StringIO(text))


def extract_metrics_from(repository: Repository, lines: Iterable[str]) -> dict[str, float]:
    """The same for output of any length, read once; a match may span some lines."""
    return read_metrics((m for m in repository.all_metrics if m.file is None), lines)


def read_metrics(metrics: Iterable[Metric], lines: Iterable[str]) -> dict[str, float]:
    """These metrics, each as its `select` and `scale` say, from one output or file.

    Where each comes from (`file`) is the caller's business. Of several with one name that match,
    the later one counts.
    """
    patterns = tuple(metrics)
    values: dict[int, float] = {}
    if patterns:
        for window in _windows(lines):
            for place, metric in enumerate(patterns):
                chosen = _chosen(metric, window, values.get(place))
                if chosen is not None:
                    values[place] = chosen
    return {patterns[place].name: values[place] * patterns[place].scale for place in sorted(values)}


def progress_of(pattern: str, text: str) -> tuple[float, float | None] | None:
    """How far a training has come: what is done, of how much (None where the pattern does not
    say), by the last match in *text*; None where there is none. See :func:`compiled`."""
    last: tuple[float, float | None] | None = None
    for match in compiled(pattern).finditer(_plain(text)):
        named = match.groupdict()
        if "done" in named:
            done, total = _float(named["done"]), _float(named.get("total"))
        else:
            numbers = [n for part in match.groups() if (n := _float(part)) is not None]
            done, total, *_ = [*numbers, None, None]
        if done is not None and math.isfinite(done):
            last = done, total if total is not None and math.isfinite(total) else None
    return last


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


def _chosen(metric: Metric, text: str, before: float | None) -> float | None:
    """The number that counts after this piece of text; *before*: the one that counted so far."""
    if metric.select == "first" and before is not None:
        return before
    pattern, numbers = _compiled(metric.pattern)
    chosen = before
    for match in pattern.finditer(text):
        number = _number_in(match, numbers)
        if number is None:
            continue
        chosen = number if chosen is None else _better(metric.select, chosen, number)
        if metric.select == "first":
            break
    return chosen


def _better(select: Select, one: float, other: float) -> float:
    """Of two numbers, in the order of the output, the one that counts; nan is neither the
    greatest nor the least where there is any other."""
    if select == "last":
        return other
    if math.isnan(one) or math.isnan(other):
        return other if math.isnan(one) else one
    return max(one, other) if select == "max" else min(one, other)


def _float(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def compiled(source: str) -> re.Pattern[str]:
    """A pattern whose groups for numbers read every notation. Raises re.error."""
    return _compiled(source)[0]


@functools.lru_cache(maxsize=256)
def _compiled(source: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """The same, and the names of the groups that stand for ``{number}``."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        names.append(found[1] or f"_number{len(names)}")
        return f"(?P<{names[-1]}>{NUMBER})"

    # What stands for {number} already is no group of the user's.
    filled = _PLACEHOLDER.sub(number, source)
    pieces = re.split(rf"(\(\?P<\w+>{re.escape(NUMBER)}\))", filled)
    pieces[::2] = [
        _NUMBER_GROUP.sub(lambda group: f"({group[1] or ''}{NUMBER})", piece)
        for piece in pieces[::2]
    ]
    return re.compile("".join(pieces), re.MULTILINE), tuple(names)


def _number_in(match: re.Match[str], numbers: tuple[str, ...]) -> float | None:
    """What stands for ``{number}``, or else the first group of the match."""
    groups = [match[name] for name in numbers] or list(match.groups())
    return _float(next((part for part in groups if part is not None), None))
