"""Whose energy it was, as rows of tables and in sentences: for a terminal and a page. Pure.

The parts of a row, and of a sentence, add up as they are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from energyctl.analysis.interference.means import CONFIDENCE
from energyctl.analysis.interference.sentences import where
from energyctl.analysis.interference.share_means import ShareMeans, by_kind, share_means
from energyctl.analysis.interference.tables import UNKNOWN, Cell, figure_cell, interval
from energyctl.results.pairs import PARTS, DomainShares, Figure, Pair
from energyctl.text import (
    ENERGY_UNITS,
    adding_up,
    count,
    energy_unit,
    first_of,
    number,
    percent,
    with_uncertainty,
)

NOTE = (
    "Idle, context (what open contexts take), foreground and background add up to the total. "
    "± is what a share may be off by."
)
MEAN_NOTE = (
    "Below a mean: what it may be off by, the mean of its pairs', and its "
    f"{100 * CONFIDENCE:g} % interval over blocks. Pairs that are not agreed on are not in it."
)
MOST_NAMES = 3


def known_means(pairs: Sequence[Pair]) -> list[ShareMeans]:
    """By training, condition and kind of domains; those of which something is known."""
    return [one for one in share_means(pairs, by_kind) if one.parts]


def shown_domains(pairs: Iterable[Pair]) -> set[str]:
    """Of which there is more to show than why it is refused."""
    return {
        name for pair in pairs for name, one in pair.domains.items() if one.verdict != "refused"
    }


# -- tables --------------------------------------------------------------------------------------


def columns(unit: str) -> tuple[str, ...]:
    return ("pair, domain", f"total ({unit})", *PARTS, "verdict")


def rows(pairs: Sequence[Pair], unit: str) -> list[list[Cell]]:
    """A row for each pair and domain that there is something to show of."""
    shown = shown_domains(pairs)
    return [row for pair in pairs for row in _rows(pair, shown, unit)]


def _rows(pair: Pair, shown: set[str], unit: str) -> list[list[Cell]]:
    named = (pair.condition, pair.beside) if pair.block is None else (
        f"{pair.condition}, block {pair.block}",
    )  # fmt: skip
    return [
        [(*named, name), *_figures(one, ENERGY_UNITS[unit]), _verdict(one)]
        for name, one in pair.domains.items()
        if name in shown
    ]


def _figures(found: DomainShares, factor: float) -> list[Cell]:
    figures: list[Figure] = [getattr(found, part) for part in PARTS]
    known = [figure.value / factor for figure in figures if figure.value is not None]
    if found.verdict == "agreed" and len(known) == len(figures):
        off = [None if one.uncertainty is None else one.uncertainty / factor for one in figures[2:]]
        return _adding_up(known, off)
    total, idle, context = (
        (UNKNOWN if one.value is None else number(one.value / factor),)
        for one in (found.total, found.idle, found.context)
    )
    sides = [(UNKNOWN, *_of_both(found, side, factor)) for side in ("foreground", "background")]
    return [total, idle, context, *sides]


def _of_both(found: DomainShares, side: str, factor: float) -> Cell:
    """What each estimator says, where they disagree."""
    if found.verdict != "disagree":
        return ()
    figures: list[Figure] = [getattr(one, side) for one in found.divisions.values()]
    return tuple(line for one in figures for line in (*figure_cell(one, factor), "")[:2])


def _adding_up(parts: Sequence[float], off: Sequence[float | None]) -> list[Cell]:
    """total, idle, context, and both shares with their bands."""
    known = [one for one in off if one is not None]
    texts = adding_up(parts, max(known, default=None))
    bands = [() if one is None else (f"± {with_uncertainty(one, one)[1]}",) for one in off]
    return [
        *((text,) for text in texts[:3]),
        *((t, *b) for t, b in zip(texts[3:], bands, strict=True)),
    ]


def _verdict(found: DomainShares) -> Cell:
    if found.verdict == "disagree":
        return (found.verdict, "activity", "", "work")
    told = [name for name, one in found.divisions.items() if one.missing is None]
    alone = found.verdict == "agreed" and len(told) == 1
    return (found.verdict, f"{told[0]} alone") if alone else (found.verdict,)


def mean_columns(unit: str) -> tuple[str, ...]:
    return ("mean of", f"total ({unit})", *PARTS)


def mean_row(found: ShareMeans, unit: str) -> list[Cell]:
    factor = ENERGY_UNITS[unit]
    name = (found.condition, found.training, ", ".join(found.domains), found.size)
    if not found.parts:
        return [name, *[(UNKNOWN,)] * 5]
    off = [
        None if one is None else one / factor
        for one in (found.foreground_off, found.background_off)
    ]
    cells = _adding_up([part / factor for part in found.parts], off)
    intervals = [interval(one, factor)[1:] for one in (found.foreground, found.background)]
    return [name, *cells[:3], *((*c, *i) for c, i in zip(cells[3:], intervals, strict=True))]


# -- sentences -----------------------------------------------------------------------------------


def sentences(means: Sequence[ShareMeans]) -> list[str]:
    """One for each training, condition and kind of domains."""
    several = len({one.training for one in means}) > 1
    return [(f"{one.training}: " if several else "") + sentence(one) for one in means]


def sentence(found: ShareMeans) -> str:
    """``Beside demo/noise, of 18.2 kJ of gpu-0, 8.60 ± 0.70 kJ were the foreground's, …``."""
    parts = found.parts
    unit = energy_unit([sum(parts)])
    factor = ENERGY_UNITS[unit]
    sides = [found.foreground_off, found.background_off]
    off = [None if one is None else one / factor for one in sides]
    (total,), (idle,), (context,), *shares = _adding_up([part / factor for part in parts], off)
    foreground, background = (" ".join(cell) for cell in shares)
    rest = f"{idle} went to the idle machine"
    if parts[1]:
        rest = f"{context} went to open contexts and {idle} to the idle machine"
    several = len(found.domains) > MOST_NAMES
    jobs = f" ({told})" if (told := job_shares(found)) else ""
    domains = first_of(found.domains, 1) if several else " and ".join(found.domains)
    return (
        f"{where(found.condition)}, of {total} {unit} of {domains}, "
        f"{foreground} were the foreground's and {background} the background's{jobs}; "
        f"{rest} ({found.size})."
    )


def job_shares(found: ShareMeans) -> str:
    """``back_large 75 %, back_small 25 %`` of several jobs; of one empty."""
    total = sum(found.jobs.values())
    if len(found.jobs) < 2 or not total:
        return ""
    shares = [f"{job} {percent(joules / total, 0)}" for job, joules in found.jobs.items()]
    return first_of(shares, MOST_NAMES)


def reasons(pairs: Sequence[Pair]) -> list[str]:
    """A line for each reason why something is refused, not agreed on, or told by one estimator;
    those that differ in figures alone are one."""
    lines: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for pair in pairs:
        for name, one in pair.domains.items():
            for verdict, why in _whys(one):
                like = re.sub(r"\d+", "#", why)
                lines.setdefault((verdict, like), []).append((why, name, pair.beside))
    return [_reason(verdict, of_line) for (verdict, _), of_line in lines.items()]


def _reason(verdict: str, found: Sequence[tuple[str, str, str]]) -> str:
    whys, names, ids = (list(dict.fromkeys(each)) for each in zip(*found, strict=True))
    first = "" if len(whys) == 1 else ", the first"
    domains = first_of(names, MOST_NAMES)
    return f"shares of {domains} {verdict} in {count(len(ids), 'pair')}{first}: {whys[0]}"


def _whys(found: DomainShares) -> list[tuple[str, str]]:
    if found.verdict != "agreed":
        verdict = "disagree" if found.verdict == "disagree" else "are refused"
        return [(verdict, why) for why in found.reasons]
    return [
        (f"not known by {name}", one.missing)
        for name, one in found.divisions.items()
        if one.missing is not None
    ]
