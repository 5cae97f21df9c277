"""Words for figures, names for files, JSON for documents: what every part says alike. Pure."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

ENERGY_UNITS = {"J": 1.0, "kJ": 1e3, "MJ": 1e6, "GJ": 1e9}
"""Unit → joules."""

UNKNOWN = "unknown"
MOST_DECIMALS = 9

_STYLING = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # of a terminal: ECMA-48, 5.4
# Control characters, what ends a line, and what turns the direction of writing.
_NOT_SHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def duration(seconds: float | None) -> str:
    """``2 d 03 h``, ``3 h 07 min``, ``12 min 05 s``, ``9.4 s``; ``?`` where it is not known."""
    if seconds is None:
        return "?"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24} d {hours % 24:02d} h"
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def short_duration(seconds: float) -> str:
    """``0.98 ms``, ``100 ms``, ``1.5 s``: two digits; from a minute on as any duration."""
    if seconds >= 59.5:
        return duration(seconds)
    value, unit = (seconds * 1e3, "ms") if 0 < seconds < 1 else (seconds, "s")
    return f"{float(f'{value:.2g}'):g} {unit}"


def small_energy(joules: float) -> str:
    """``61 µJ``, ``95 mJ``, ``12.5 J``."""
    for scale, unit in ((1.0, "J"), (1e3, "mJ")):
        if joules * scale >= 1:
            return f"{joules * scale:.3g} {unit}"
    return f"{joules * 1e6:.3g} µJ"


def energy_unit(joules: Iterable[float | None]) -> str:
    """The one unit for all of them: that in which the greatest is read easily."""
    greatest = max((abs(value) for value in joules if value is not None), default=0.0)
    fitting = [unit for unit, factor in ENERGY_UNITS.items() if greatest >= 2 * factor]
    return fitting[-1] if fitting else "J"


def energy(
    joules: float | None,
    uncertainty: float | None = None,
    *,
    measured: bool | None = True,
    unit: str | None = None,
) -> str:
    """``12.340 ± 0.052 kJ``, and ``(estimated)`` behind what was not measured.

    unit: that of the column (:func:`energy_unit`); None: the one that fits the value.
    """
    if joules is None:
        return UNKNOWN
    unit = unit or energy_unit([joules])
    factor = ENERGY_UNITS[unit]
    parts = with_uncertainty(joules / factor, None if uncertainty is None else uncertainty / factor)
    return f"{' ± '.join(parts)} {unit}" + ("" if measured else " (estimated)")


def with_uncertainty(value: float, uncertainty: float | None) -> tuple[str, ...]:
    """Value and uncertainty, to the place of the uncertainty's second significant digit.

    Without an uncertainty the value alone, with four digits; no false digits, and no ``± 0.00``.
    One that no decimal shows, as of a sum that rounding has moved, is 0.
    """
    if uncertainty is None:
        return (number(value),)
    if _is_none(uncertainty):
        return number(value), "0"
    place = _second_digit(uncertainty)
    return _to_place(value, place), _to_place(uncertainty, place)


def _is_none(uncertainty: float) -> bool:
    return round(uncertainty, MOST_DECIMALS) == 0


def _second_digit(value: float) -> int:
    """Its place behind the point. Rounded first: 0.0996 has it where 0.10 has it."""
    return 1 - math.floor(math.log10(float(f"{value:.1e}")))


def adding_up(parts: Sequence[float], uncertainty: float | None) -> tuple[str, ...]:
    """Their sum, then the parts, to the place of the uncertainty's second digit (else with four
    digits of the sum), so that the texts add up too: each part is rounded up or down, the nearest
    to it first."""
    total = math.fsum(parts)
    if uncertainty and not _is_none(uncertainty):
        place = min(_second_digit(uncertainty), MOST_DECIMALS)
    else:
        place = min(2 + _second_digit(total), MOST_DECIMALS) if total else 0
    unit = 10.0**-place
    whole = [math.floor(part / unit) for part in parts]
    rest = [part / unit - floor for part, floor in zip(parts, whole, strict=True)]
    more = round(total / unit) - sum(whole)
    up = sorted(range(len(parts)), key=lambda number: -rest[number])[: max(0, more)]
    steps = [floor + (number in up) for number, floor in enumerate(whole)]
    return tuple(_to_place(step * unit, place) for step in (sum(steps), *steps))


def _to_place(value: float, place: int) -> str:
    """Rounded to so many decimals; to tens, hundreds … where that is negative."""
    place = min(place, MOST_DECIMALS)
    return f"{round(value, place) + 0.0:.{max(0, place)}f}"


def number(value: float, digits: int = 4) -> str:
    """With so many significant digits, no power of ten below a million, no zeros behind."""
    if not math.isfinite(value) or not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{digits}g}"
    place = digits - 1 - math.floor(math.log10(abs(value)))
    text = _to_place(value, max(0, place))
    return text.rstrip("0").rstrip(".") if "." in text else text


def power(watts: float | None) -> str:
    """``121.4 W``."""
    return UNKNOWN if watts is None else f"{watts:.1f} W"


def work(amount: float | None, uncertainty: float | None, unit: str | None) -> str:
    """``5.930 ± 0.028 iterations``; empty where it is not known."""
    return "" if amount is None else f"{' ± '.join(with_uncertainty(amount, uncertainty))} {unit}"


def powers(watts: Mapping[str, float | None], *, cpu_estimated: bool = False) -> str:
    """``package-0 121.4 W  gpu-0 250.2 W``: of each domain whose power is known; else empty."""
    known = [f"{domain} {power(value)}" for domain, value in watts.items() if value is not None]
    return "  ".join([*known, "(CPU estimated)"] if known and cpu_estimated else known)


def megabytes(size: float) -> str:
    """Bytes as ``65 MB``; with one decimal below ten."""
    return f"{size / 1e6:,.{0 if size >= 9.95e6 else 1}f} MB"


def percent(share: float | None, decimals: int = 1) -> str:
    """0.9971 → ``99.7 %``."""
    return UNKNOWN if share is None else f"{100 * share:.{decimals}f} %"


def more_or_less(ratio: float) -> str:
    """``31 % more``, ``4.2 % less``."""
    return f"{_share_words(ratio)} % {'more' if ratio >= 1 else 'less'}"


def more_or_less_between(low: float, high: float) -> str:
    """``6.4 to 9.8 %`` of ratios on one side of 1; else ``1.2 % less to 5.0 % more``."""
    if (low < 1) != (high < 1):
        return f"{more_or_less(low)} to {more_or_less(high)}"
    edges = sorted((100 * abs(low - 1), 100 * abs(high - 1)))
    words = [_share_words(low), _share_words(high)]
    if edges[1] >= 0.1 and edges[1] - edges[0] < 1:  # near each other: to tell them apart
        words = [f"{edge:.{1 if edges[1] - edges[0] >= 0.1 else 2}f}" for edge in edges]
    return " to ".join(sorted(words, key=float)) + " %"


def _share_words(ratio: float) -> str:
    """Per cent to one decimal; of less than 0.1 to the first digit that is none."""
    share = 100 * abs(ratio - 1)
    if 0.001 <= share < 0.095:
        return f"{share:.1g}"
    share = round(share, 1)
    return f"{share:.{0 if share >= 10 else 1}f}"


def parameter(value: Any, *, whole: bool = False) -> str:
    """The value of a hyper-parameter or metric: four digits, or every digit of it."""
    if isinstance(value, float):
        return repr(value) if whole else number(value)
    return str(value)


def values(
    hyperparameters: Mapping[str, Any],
    names: tuple[str, ...] | None = None,
    *,
    whole: bool = False,
) -> str:
    """``learning_rate 0.1, epochs 20``, of *names* only where given.

    With spaces, so that a narrow table breaks the line between words and not inside numbers.
    """
    chosen = hyperparameters if names is None else {n: hyperparameters[n] for n in names}
    return ", ".join(f"{name} {parameter(value, whole=whole)}" for name, value in chosen.items())


def count(number: int, noun: str) -> str:
    """``1 run``, ``3 runs``."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def first_of(names: Sequence[str], most: int) -> str:
    """``a, b and 3 more``: so many of *names* at most."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def printable(text: str) -> str:
    """*text* as a terminal may show it, whoever wrote it: one line, which does nothing but stand
    there. Colours are left out, white space is a space, any other control character ``?``."""
    if text.isprintable():
        return text
    return _NOT_SHOWN.sub(lambda c: " " if c[0].isspace() else "?", _STYLING.sub("", text))


def one_line(text: str, width: int = 100) -> str:
    """:func:`printable`, cut to *width*."""
    clean = printable(text)
    return clean if len(clean) <= width else clean[: width - 1] + "…"


def present(coverage: float | None, max_gap_seconds: float | None, load: float | None) -> str:
    """``covered 99.7 %, longest gap 20 ms, busy 98 %``; what is not known is left out."""
    parts = []
    if coverage is not None:
        parts.append(f"covered {percent(coverage)}")
    if max_gap_seconds is not None:
        parts.append(f"longest gap {short_duration(max_gap_seconds)}")
    if load is not None:
        parts.append(f"busy {percent(load, 0)}")
    return ", ".join(parts)


def safe_name(text: str) -> str:
    """*text* with everything but letters, digits, ``.``, ``_`` and ``-`` replaced by ``_``.

    Cut to 80 characters: a file's name holds 255, and some hold two of these and more.
    """
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:80] or "_"


def is_file_name(text: str) -> bool:
    """Whether it can be a name that :func:`safe_name` had a part in: no path, nothing hidden."""
    return re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,249}", text) is not None


def json_text(data: Any, *, ascii_only: bool = False, indent: int | None = 2) -> str:
    """JSON that any reader takes: what is no finite number, JSON has no word for: null.

    What a terminal would not show (:func:`printable`) is escaped, so that it stays as it is.
    """
    encoder = _encoder(ascii_only, indent)
    try:
        text = encoder.encode(data)
    except (TypeError, ValueError):  # a mapping of another kind, or no finite number
        text = encoder.encode(_finite(data))
    if text.isprintable():
        return text
    return "\n".join(_NOT_SHOWN.sub(_escaped, line) for line in text.split("\n"))


@functools.cache
def _encoder(ascii_only: bool, indent: int | None) -> json.JSONEncoder:
    return json.JSONEncoder(ensure_ascii=ascii_only, indent=indent, allow_nan=False)


def _escaped(character: re.Match[str]) -> str:
    return f"\\u{ord(character[0]):04x}"


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return data


def without_user(uri: str) -> str:
    """Without the name and password of a user, as messages and results may hold it."""
    return re.sub(r"(?<=//)[^/\s]*@", "", uri)
