"""The spans of a domain in a pair: busy times and clocks in them, and what of them refuses a
division. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from energyctl.results.pairs.facts import RunFacts
from energyctl.results.pairs.references import (
    LOADS,
    TRAINING,
    UNTOLD,
    References,
    Side,
    SpanFacts,
    pooled,
)
from energyctl.text import percent

HELD_DOWN = 0.01
"""Share of a time from which on a cause that holds down clocks counts."""

CLOCKS_APART = 0.02
LARGEST_UNTOLD = 0.05
OVERLAP = 1.03
"""Busy times of several processes that add up to so many times the busy time of the GPU itself."""

LEAST_CORES = 0.02
"""CPU time that is less than this, on average, says little of what a training has computed."""


class Spans(NamedTuple):
    """Of a domain: the training beside the background, alone, and the load alone."""

    beside: SpanFacts | None
    alone: SpanFacts | None
    loads: Sequence[SpanFacts]

    @property
    def all(self) -> list[SpanFacts]:
        return [one for one in (self.beside, self.alone, *self.loads) if one is not None]


def spans_of(beside: RunFacts, alone: RunFacts, domain: str) -> Spans:
    together, apart = (run.references.span(TRAINING, domain) for run in (beside, alone))
    return Spans(together, apart, beside.references.loads(domain))


# -- busy times ------------------------------------------------------------------------------------


class Sides(NamedTuple):
    """Busy and context seconds; of the load alone per second."""

    foreground: Side
    background: Side
    alone: Side
    load: Side
    both: float


def sides_of(spans: Spans, seconds: float, alone_seconds: float) -> Sides:
    """Where it is not told, a context was open all the time."""
    together, apart = (
        one if one is not None and one.missing is None else None
        for one in (spans.beside, spans.alone)
    )
    none, whole = Side(0.0, 0.0), Side(0.0, seconds)
    load = [one for one in spans.loads if one.missing is None and one.background]
    return Sides(
        foreground=(together.foreground or none) if together else whole,
        background=(together.background or none) if together else whole,
        alone=(apart.foreground or none) if apart else Side(0.0, alone_seconds),
        load=per_second(load) if load else Side(0.0, 1.0),
        both=together.both if together else seconds,
    )


def per_second(loads: Sequence[SpanFacts]) -> Side:
    """Of all of them together, as their power is."""
    seconds = sum(one.seconds for one in loads)
    sides = [one.background for one in loads if one.background is not None]
    return Side(sum(s.busy for s in sides) / seconds, sum(s.context for s in sides) / seconds)


def no_activity(spans: Spans, kind: str | None) -> str | None:
    """Why there is no division by busy times, if so."""
    if spans.beside is None or spans.alone is None:
        return UNTOLD
    if not spans.loads:
        return "how busy the load alone kept it, or its power, is not known"
    loads = (("of the load alone", one) for one in spans.loads)
    for where, span in (
        ("beside the background", spans.beside),
        ("of the run alone", spans.alone),
        *loads,
    ):
        if span.missing is not None:
            return f"{where}: {span.missing}"
        if kind == "gpu" and _overlap(span):
            return (
                "kernels of several processes ran at the same time (as under MPS), so busy times "
                "do not divide what they drew"
            )
    return _too_little_computed(spans.beside) if kind == "cpu" else None


def _too_little_computed(together: SpanFacts) -> str | None:
    sides = (together.foreground, together.background)
    if any(side and side.busy < LEAST_CORES * together.seconds for side in sides):
        return "one of the two used hardly any CPU time"
    return None


def _overlap(span: SpanFacts) -> bool:
    limit = span.seconds if span.device is None else min(span.seconds, span.device)
    return span.busy - 2 * span.busy_off > OVERLAP * limit > 0


# -- clocks ----------------------------------------------------------------------------------------


class Clocks(NamedTuple):
    """Clock beside ÷ alone, of each; 1 of one that never kept it busy. loads: of each span of the
    load alone. told: all of them are."""

    foreground: float
    background: float
    loads: Sequence[float]
    told: bool

    @property
    def differ(self) -> bool:
        ratios = (self.foreground, self.background, *self.loads)
        return max(abs(one - 1) for one in ratios) > CLOCKS_APART


def clocks_of(spans: Spans) -> Clocks:
    together, alone = spans.beside, spans.alone
    foreground = background = 1.0
    loads, told = list[float](), True
    if together is None or alone is None:
        return Clocks(1.0, 1.0, (), told=False)
    if _busy(alone.foreground):
        told = bool(together.mhz and alone.mhz)
        foreground = together.mhz / alone.mhz if together.mhz and alone.mhz else 1.0
    busy = [one for one in spans.loads if _busy(one.background)]
    if busy and _busy(together.background):
        load = pooled(one.mhz for one in busy)
        told = told and bool(together.mhz and load)
        if together.mhz and load:
            background = together.mhz / load
            loads = [together.mhz / one.mhz for one in busy if one.mhz]
    return Clocks(foreground, background, loads, told)


def _busy(side: Side | None) -> bool:
    return side is not None and side.busy > 0


def held_down(
    beside: References, alone: References, spans: Spans, domain: str, cause: str
) -> list[bool | None]:
    """Whether it was, by a cause: beside, alone, and in the load alone, where a side kept it busy;
    None: not told."""
    apart = spans.alone
    if spans.beside is None:
        return []
    there = [beside.held_down(TRAINING, domain, cause)]
    if apart is None or apart.missing is not None or _busy(apart.foreground):
        there.append(alone.held_down(TRAINING, domain, cause))
    if not spans.loads or any(one.missing or _busy(one.background) for one in spans.loads):
        loads = [beside.held_down(name, domain, cause) for name in LOADS]
        there.append(max((one for one in loads if one is not None), default=None))
    return [None if share is None else share > HELD_DOWN for share in there]


# -- refusals --------------------------------------------------------------------------------------


def foreign(beside: References, alone: References, domain: str) -> list[str]:
    """Seen during the training, or while the machine was to be idle."""
    found = []
    for run, where in ((beside, "beside the background"), (alone, "alone")):
        if domain in run.foreign:
            found.append(f"a foreign process was on it, {where}: {run.foreign[domain]}")
    return found


def heat(beside: References, alone: References, spans: Spans, domain: str) -> list[str]:
    held = held_down(beside, alone, spans, domain, "heat")
    if True in held and False in held:
        return ["heat held its clocks down in one of its phases, and not in the others"]
    if True in held and None in held:
        return [
            "heat held its clocks down in one of its phases, and whether in another is not known"
        ]
    return []


def untold(spans: Spans, kind: str | None) -> list[str]:
    """Where more than a little of the busy time of a GPU is of nobody, or not told."""
    worst = 0.0
    for span in spans.all if kind == "gpu" else ():
        if span.missing is not None or not span.seconds:
            continue
        most = max(
            span.unknown / span.seconds,
            (span.other - span.busy_off) / span.busy if span.busy else 0.0,
            _lost(span),
        )
        worst = max(worst, most)
    if worst > LARGEST_UNTOLD:
        return [f"who kept it busy is not known for {percent(worst)} of the time"]
    return []


def _lost(span: SpanFacts) -> float:
    """Share of the busy time of the GPU itself that no process has told."""
    lost = 0.0 if span.device is None else span.device - span.busy
    return lost / span.device if span.device and lost > span.busy_off else 0.0
