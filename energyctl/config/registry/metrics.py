"""How the output of a training becomes metrics, and how far it has come.

Patterns and outputs come from others: whatever they hold, time and memory have a limit.
"""

from __future__ import annotations

import functools
import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from energyctl.config.registry.model import Metric
from energyctl.config.registry.reading import Reading, Selection, number_in

if TYPE_CHECKING:
    import regex  # imported where it is first used: it takes 20 ms, and few commands need it

# A match begins where a number does, and gives back no digit: its time grows with the text. Digits
# may be grouped as Python writes them, `1_000`; U+2212 is the minus sign of typesetters.
_DIGITS = r"\d++(?:_\d++)*+"
NUMBER = (
    rf"(?:[-+\u2212]|(?<!\d))(?:(?:{_DIGITS}(?:\.\d++|\.)?|\.\d++)(?:[eE][-+]?\d++)?"
    r"|\b(?i:nan|inf(?:inity)?)\b)"
)

# More of a number behind what was read as one: `,234` of 1,234 (or `,93` of 0,93), `'000`, the
# second point of 1.2.3, `x1F`, the multiplier of 1.5k.
_MORE = re.compile(r"[_'’]\w|\.\d|[xX][0-9a-fA-F]|[kKMGT](?![^\W_])")
_MORE_OF_A_WHOLE_ONE = re.compile(r",\d")

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
_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n\r]*(?:\x07|\x1b\\)|[@-Z\\^_])")

# A brace that is no quantifier: a character to `re`, a fuzzy match to `regex`.
_BRACE = re.compile(r"(\\N\{[^}]*\}|\\.)|\{(?!(?:\d+|\d*,\d*)\})", re.DOTALL)

_COUNT = re.compile(r"\{(\d+)(?:,\d*)?\}")
_MOST_REPEATS = 1_000_000  # `regex` writes them out

_BREAK = re.compile(rb"\r\n|\r|\n")
_WINDOW_CHARACTERS = _WINDOW_BYTES = 1 << 16
_KEPT_CHARACTERS = 1 << 14

MATCH_SECONDS = 0.25
"""For a pattern in one window; a millisecond is usual."""

MOST_LATE = 8
"""A pattern that was late in so many windows is not tried any more."""


def read_metrics(
    metrics: Iterable[Metric], pieces: Iterable[str], go_on: Callable[[], bool] = lambda: True
) -> Reading:
    """These metrics, each as its `select` and `scale` say, from one output or file.

    Numbers may be in any notation, nan and inf included; one that is a part of a longer number is
    none. Colours are ignored, and what a progress
    display overwrites with carriage returns is read as lines. The text comes in *pieces* of any
    length and is read once; a match may span 16,384 characters. *go_on*, asked before each window
    of text is matched with a pattern, says whether there is time left.

    Where each metric comes from (`file`) is the caller's business. Of several with one name that
    match, the later one counts.
    """
    searches = [_Search(metric) for metric in metrics]
    for window in _windows(pieces) if searches else ():
        for search in searches:
            search.read(window, in_time=go_on())
    return _reading(searches)


def read_series(
    metrics: Iterable[Metric], chunks: Iterable[bytes], go_on: Callable[[], bool] = lambda: True
) -> Reading:
    """The same for metrics of which all values are kept. A match lies within one window of whole
    lines, as a rule 64 KiB of them."""
    searches = [_Search(metric) for metric in metrics]
    for text, ends in _line_windows(chunks) if searches else ():
        for search in searches:
            search.read(text, in_time=go_on(), ends=ends)
    return _reading(searches)


def _reading(searches: Sequence[_Search]) -> Reading:
    unread = tuple(dict.fromkeys(s.metric.name for s in searches if s.unsure))
    found = [s for s in searches if s.found and s.metric.name not in unread]
    return Reading(
        {s.metric.name: s.value for s in found},
        unread,
        {s.metric.name: s.strange for s in searches if s.strange},
        series={name: one for s in found for name, one in s.series.items()},
    )


class _Search(Selection):
    """The search for one metric by its pattern."""

    def __init__(self, metric: Metric) -> None:
        super().__init__(metric)
        self.unsure = False
        """Whether text that was not matched may hold the number that counts."""

        self._late = 0

    def read(self, window: str, *, in_time: bool, ends: Sequence[int] = ()) -> None:
        """*ends*: the byte behind each line of the window."""
        select = self.metric.select
        if self.decided or (select == "first" and self.unsure):
            return
        found, line, counted = False, 0, 0
        try:
            if not in_time or self._late >= MOST_LATE:
                raise TimeoutError
            for text, number, end in _numbers(self.metric.pattern or "", window):
                if ends:
                    line, counted = line + window.count("\n", counted, end), end
                self.add(text, number, ends[line] if ends else 0)
                found = found or number is not None
                if self.decided:
                    return
        except TimeoutError:
            self.unsure = True
            self._late += in_time
        else:
            if found and select == "last":
                self.unsure = False


class Progress(NamedTuple):
    """How far a training has come; *total* is None where the pattern does not say.

    in_last_line: nothing but the rest of its line follows in the text.
    """

    done: float
    total: float | None
    in_last_line: bool


def progress_of(pattern: str, text: str) -> tuple[float, float | None] | None:
    """What is done, of how much, by the last match in *text*; None where there is none. See
    :func:`progress_in`."""
    found = deque(progress_in(pattern, text), maxlen=1)
    return (found[0].done, found[0].total) if found else None


def progress_in(pattern: str, text: str) -> Iterator[Progress]:
    """All that *text* tells, in its order. See :func:`compiled`. Raises TimeoutError."""
    text = _plain(text)
    last_line = text.rstrip("\n").rfind("\n") + 1
    for match in _matches(compiled(pattern), text):
        named = match.groupdict()
        if "done" in named:
            done, total = number_in(named["done"]), number_in(named.get("total"))
        else:
            numbers = [n for part in match.groups() if (n := number_in(part)) is not None]
            done, total, *_ = [*numbers, None, None]
        if done is not None and math.isfinite(done):
            known = total if total is not None and math.isfinite(total) else None
            yield Progress(done, known, match.end() > last_line)


def explodes(pattern: str) -> bool:
    """Whether a match with a line of a few thousand characters takes longer than a whole output
    should: by trying lines that are hard on many patterns. See :func:`compiled`."""
    own = re.sub(r"\\.|[\\^$*+?.()\[\]{}|]", "", pattern)  # else a literal that is missing says no
    for part in (*_HARD, *dict.fromkeys(own)):
        line = (part * _HARD_CHARACTERS)[:_HARD_CHARACTERS]
        try:
            for _ in _matches(compiled(pattern), f"{own}{line}\0{own}"):
                pass
        except TimeoutError:
            return True
    return False


_HARD = ("a", "1", " ", "a ", "1 ", "1.", "=", "-")
_HARD_CHARACTERS = 3000


def _matches(pattern: regex.Pattern[str], text: str) -> Iterator[regex.Match[str]]:
    """Other threads go on meanwhile. Raises TimeoutError."""
    return pattern.finditer(text, timeout=MATCH_SECONDS, concurrent=True)


def _windows(pieces: Iterable[str]) -> Iterator[str]:
    """Text in windows that end with a line, unless that is too long; each begins with the end of
    the one before."""
    kept = new = ""
    for piece in pieces:
        for start in range(0, len(piece), _WINDOW_CHARACTERS):
            new += piece[start : start + _WINDOW_CHARACTERS]
            if len(new) >= _WINDOW_CHARACTERS:
                end = next((at for mark in "\n\r ," if (at := new.rfind(mark) + 1)), len(new))
                window, new = _plain(kept + new[:end]), new[end:]
                yield window
                kept = _end_of(window)
    if new:
        yield _plain(kept + new)


def _line_windows(chunks: Iterable[bytes]) -> Iterator[tuple[str, list[int]]]:
    """Text in windows of whole lines, unless one is too long, and the byte behind each line."""
    kept, begin = b"", 0
    for chunk in chunks:
        kept += chunk
        # Not after the last byte: it may be the first of a line's end of two.
        cut = max(kept.rfind(b"\n", 0, -1), kept.rfind(b"\r", 0, -1)) + 1
        if not cut and len(kept) < _WINDOW_BYTES:
            continue
        cut = cut or len(kept)
        yield _line_window(kept[:cut], begin)
        kept, begin = kept[cut:], begin + cut
    if kept:
        yield _line_window(kept, begin)


def _line_window(data: bytes, begin: int) -> tuple[str, list[int]]:
    ends = [begin + mark.start() for mark in _BREAK.finditer(data)]
    # Lines first: a colour between the two halves of a line's end would make one line of two.
    text = data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", text), [*ends, begin + len(data)]


def _end_of(window: str) -> str:
    """The last lines of a window, or of a long line its last words."""
    end = window[-_KEPT_CHARACTERS:]
    lines = end.partition("\n")
    # Not from the blank on: it shows that no line begins here.
    return lines[2] if lines[1] else end[max(0, end.find(" ")) :]


def _plain(text: str) -> str:
    if "\x1b" in text:
        text = _CONTROL.sub("", text)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _numbers(pattern: str, text: str) -> Iterator[tuple[str, float | None, int]]:
    """What stands for ``{number}``, or else in the first group, in each match; the number that it
    is, or None; and its end. Raises TimeoutError."""
    whole, names = _compiled(pattern)
    for match in _matches(whole, text):
        groups: Sequence[str | int] = names or range(1, len(match.groups()) + 1)
        group = next((one for one in groups if match[one] is not None), None)
        if group is None:
            continue
        more = _more(match, group, text)
        token = match[group] + more
        yield token, None if more else number_in(token), match.end(group)


def _more(match: regex.Match[str], group: str | int, text: str) -> str:
    """The rest of a longer number out of which a match was cut; where the pattern says what
    follows the number there is none."""
    end = match.end(group)
    if end < match.end():
        return ""
    whole = "." not in match[group]
    if _MORE.match(text, end) or (whole and _MORE_OF_A_WHOLE_ONE.match(text, end)):
        rest = re.compile(r"[^\s;:)\]}]{1,20}").match(text, end)
        return rest[0] if rest else ""
    return ""


def compiled(source: str) -> regex.Pattern[str]:
    """A pattern whose groups for numbers read every notation. Raises re.error."""
    return _compiled(source)[0]


@functools.lru_cache(maxsize=256)
def _compiled(source: str) -> tuple[regex.Pattern[str], tuple[str, ...]]:
    """The same, and the names of the groups that stand for ``{number}``."""
    import regex

    re.compile(_filled(source, "x")[0])  # patterns are those of Python, whatever `regex` adds
    if math.prod(int(count) or 1 for count in _COUNT.findall(source)) > _MOST_REPEATS:
        raise re.error("it repeats something too often")
    filled, names = _filled(source, NUMBER)
    # What stands for {number} already is no group of the user's.
    pieces = re.split(rf"(\(\?P<\w+>{re.escape(NUMBER)}\))", filled)
    pieces[::2] = [
        _BRACE.sub(
            lambda brace: brace[1] or r"\{",
            _NUMBER_GROUP.sub(lambda group: f"({group[1] or ''}{NUMBER})", piece),
        )
        for piece in pieces[::2]
    ]
    whole = "".join(pieces)
    if whole.startswith((".*", ".+")):
        whole = rf"(?:^|\G){whole}"  # the same matches: without, each character would be tried
    try:
        return regex.compile(whole, regex.MULTILINE | regex.VERSION0), names
    except regex.error as error:
        raise re.error(str(error)) from error


def _filled(source: str, number: str) -> tuple[str, tuple[str, ...]]:
    """The pattern with a group for each ``{number}``, and the names of these groups."""
    names: list[str] = []

    def group(found: re.Match[str]) -> str:
        names.append(found[1] or f"_number{len(names)}")
        return f"(?P<{names[-1]}>{number})"

    return _PLACEHOLDER.sub(group, source), tuple(names)
