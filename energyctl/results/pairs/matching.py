"""Which runs are pairs: one beside a background and one alone, of the same training, values and
seed, on the same machine. Of one block; where there is none, the nearest in time. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from math import inf

from energyctl.results.pairs.facts import Likeness, RunFacts
from energyctl.text import count, duration, first_of

MOST_NAMED = 3
NEIGHBOURS = 10
"""So many runs alone before a run beside, and as many after it, may be its partner."""
OLDER = (
    "of results that tell no condition, block and seed (of an earlier version, or imported): they "
    "are paired by equal values"
)


@dataclass(frozen=True)
class Match:
    """Two runs of a pair. apart_seconds: between their starts; None: not known. earlier: the run
    alone is of an earlier campaign, and the run beside names it."""

    beside: RunFacts
    alone: RunFacts
    of_block: bool
    earlier: bool = False

    @property
    def apart_seconds(self) -> float | None:
        if self.beside.started is None or self.alone.started is None:
            return None
        return abs(self.beside.started - self.alone.started)


def matches(runs: Sequence[RunFacts]) -> tuple[list[Match], list[str]]:
    """The pairs by the start of the run beside, and lines on what is in none, and on how."""
    good, notes = _usable(runs)
    beside = sorted((run for run in good if run.beside), key=_start)
    alone = [run for run in good if not run.beside]
    found = _of_earlier(beside, alone) | _of_blocks(beside, alone)
    rest = [run for run in beside if run.experiment_id not in found]
    found |= _nearest(rest, alone, {_use(one) for one in found.values()})
    pairs = [found[run.experiment_id] for run in beside if run.experiment_id in found]
    lost = _lost(beside, pairs)
    return pairs, [*notes, *lost, *_unpaired(beside, alone, pairs), *_how(pairs)]


def _usable(runs: Sequence[RunFacts]) -> tuple[list[RunFacts], list[str]]:
    """Those that succeeded and are no warm-ups, and a line on each kind of the others."""
    notes = []
    if warm_ups := sum(run.warm_up for run in runs):
        notes.append(f"left out: {count(warm_ups, 'warm-up run')}")
    rest = [run for run in runs if not run.warm_up]
    lost = Counter(
        f"{run.status} run{{}} under the condition {run.condition}"
        for run in rest
        if run.status != "succeeded"
    )
    for words, number in sorted(lost.items()):
        notes.append(f"left out: {number} {words.format('' if number == 1 else 's')}")
    return [run for run in rest if run.status == "succeeded"], notes


def _start(run: RunFacts) -> float:
    return inf if run.started is None else run.started


def _use(pair: Match) -> tuple[str, str]:
    """Its run alone, under its condition."""
    return pair.alone.experiment_id, pair.beside.condition


def _of_blocks(beside: Iterable[RunFacts], alone: Iterable[RunFacts]) -> dict[str, Match]:
    """By the run beside."""
    by_block = {(run.block, run.like): run for run in alone}
    return {
        run.experiment_id: Match(run, by_block[run.block, run.like], of_block=True)
        for run in beside
        if run.block is not None and (run.block, run.like) in by_block
    }


def _of_earlier(beside: Iterable[RunFacts], alone: Iterable[RunFacts]) -> dict[str, Match]:
    """Those whose run alone is of an earlier campaign, by the run beside, which names it."""
    by_name = {(run.experiment_id, run.like): run for run in alone}
    return {
        run.experiment_id: Match(run, by_name[run.alone_of, run.like], False, earlier=True)
        for run in beside
        if run.alone_of is not None and (run.alone_of, run.like) in by_name
    }


def _nearest(
    beside: Sequence[RunFacts], alone: Sequence[RunFacts], used: Set[tuple[str, str]]
) -> dict[str, Match]:
    """The nearest first, each run alone once for each condition; then what is left over takes the
    nearest, though that is in another pair. used: what pairs of blocks use."""
    by_like: dict[Likeness, list[RunFacts]] = {}
    for run in sorted(alone, key=_start):
        by_like.setdefault(run.like, []).append(run)
    candidates = [
        Match(run, other, of_block=False)
        for run in beside
        for other in _around(by_like.get(run.like, []), _start(run))
    ]
    candidates.sort(key=lambda one: inf if one.apart_seconds is None else one.apart_seconds)
    found: dict[str, Match] = {}
    taken = set(used)
    for again in (False, True):
        for one in candidates:
            if one.beside.experiment_id not in found and (again or _use(one) not in taken):
                found[one.beside.experiment_id] = one
                taken.add(_use(one))
    return found


def _around(runs: Sequence[RunFacts], started: float) -> Sequence[RunFacts]:
    """Of runs by their start, some that started last before it and first after it."""
    place = bisect_left(runs, started, key=_start)
    return runs[max(0, place - NEIGHBOURS) : place + NEIGHBOURS]


# -- notes ---------------------------------------------------------------------------------------


def _lost(beside: Iterable[RunFacts], pairs: Iterable[Match]) -> list[str]:
    """Lines on runs alone of earlier campaigns that are named, and not there."""
    found = {pair.beside.experiment_id for pair in pairs if pair.earlier or pair.of_block}
    return [
        f"{run.experiment_id} was to be compared with {run.alone_of} of an earlier campaign, which "
        "is not there, did not succeed, or is not like it"
        for run in beside
        if run.alone_of is not None and run.experiment_id not in found
    ]


def _unpaired(
    beside: Sequence[RunFacts], alone: Sequence[RunFacts], pairs: Sequence[Match]
) -> list[str]:
    paired = {run.experiment_id for pair in pairs for run in (pair.beside, pair.alone)}
    why: dict[str, list[str]] = {}
    sides = (
        (beside, alone, "beside a background", "run alone"),
        (alone, beside, "alone", "run beside a background"),
    )
    for runs, others, words, partner in sides:
        known = {step for other in others for step in _steps(other)}
        for run in runs:
            if run.experiment_id not in paired:
                reason = f"{words}: {_reason(run, known, partner)}"
                why.setdefault(reason, []).append(run.experiment_id)
    return [
        f"in no pair: {count(len(ids), 'run')} {reason} ({first_of(ids, MOST_NAMED)})"
        for reason, ids in why.items()
    ]


REASONS = (
    "with its hyper-parameters", "with its training seed", "on its machine", "on its GPUs",
    "with its driver, power limits, GPU clock and CPU governor",
)  # fmt: skip
"""What a partner may lack, from one of :func:`_steps` to the next."""


def _steps(run: RunFacts) -> list[tuple[object, ...]]:
    """What it has alike with a partner, step by step."""
    of = run.machine
    parts = (run.training, run.values, run.seed, of.node, (of.gpus, of.place), of)
    return [parts[:length] for length in range(1, len(parts) + 1)]


def _reason(run: RunFacts, known: Set[tuple[object, ...]], partner: str) -> str:
    """Why none of the others, whose steps these are, is its *partner*, as ``run alone``."""
    for words, step in zip((f"of {run.training}", *REASONS), _steps(run), strict=True):
        if step not in known:
            return f"there is no {partner} {words}"
    return f"each {partner} like it is in another pair"


def _how(pairs: Sequence[Match]) -> list[str]:
    """Lines on pairs that are not of one block."""
    notes = []
    if earlier := [pair for pair in pairs if pair.earlier]:
        oldest = max(pair.apart_seconds or 0.0 for pair in earlier)
        ids = first_of([pair.beside.experiment_id for pair in earlier], MOST_NAMED)
        verb = "has its" if len(earlier) == 1 else "have their"
        notes.append(
            f"{count(len(earlier), 'pair')} {verb} run alone from an earlier campaign, up to "
            f"{duration(oldest)} before: what changed on the machine in between is part of the "
            f"difference ({ids})"
        )
    apart = [pair for pair in pairs if not pair.of_block and not pair.earlier]
    if apart:
        known = [pair.apart_seconds for pair in apart if pair.apart_seconds is not None]
        far = f", up to {duration(max(known))} apart" if known else ""
        ids = first_of([pair.beside.experiment_id for pair in apart], MOST_NAMED)
        verb = "is" if len(apart) == 1 else "are"
        notes.append(
            f"{count(len(apart), 'pair')} {verb} not of one block: the nearest run alone was "
            f"taken{far}, and what changed on the machine in between is part of the difference "
            f"({ids})"
        )
    uses = Counter(map(_use, pairs))
    shared = sum(number for number in uses.values() if number > 1)
    if shared:
        notes.append(f"{shared} pairs share runs alone: those of one such run count once in a mean")
    older = [pair for pair in pairs if not (pair.beside.told and pair.alone.told)]
    if older:
        notes.append(f"{count(len(older), 'pair')} {OLDER}")
    return notes
