"""How well energy is shared: python tests/benchmarks/shares.py [--pairs N] [--only WORLD…]

Pairs of simulated runs of which it is known who drew what, as result documents, divided by the code
that reads results. A GPU runs kernels of a training and of a background in turn, or otherwise, by
world. Errors are shares of the truth: joules of the foreground's kernels (with the leakage that
comes with heat in proportion), and its half of the open contexts. Exits with 1 where a bar is
missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from math import inf
from pathlib import Path
from random import Random
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.shared_outcomes import Outcome, judged, simulated
from benchmarks.shared_worlds import CLOSURE, WORLDS, World

BAR_INSIDE, BAR_SUM, BAR_TWINS, BAR_REFUSED = 0.95, 1e-9, 0.02, 0.05
LEAST_JUDGED = 20
"""Of fewer figures the share that is inside says little: all but one have to be."""


def late(values: Iterable[float]) -> float:
    """Their 95th percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))] if ordered else 0.0


def errors(outcomes: Sequence[Outcome], of: Callable[[Outcome], float | None]) -> list[float]:
    """Shares of the truth."""
    found = [(of(one), one.true_share) for one in outcomes]
    return [abs(value / true - 1) for value, true in found if value is not None]


def share_errors(outcomes: Sequence[Outcome]) -> list[float]:
    return errors(outcomes, lambda one: one.share.value if one.share else None)


def half_widths(outcomes: Sequence[Outcome]) -> list[float]:
    return [one.share.wide / one.share.truth for one in outcomes if one.share]


def inside(outcomes: Sequence[Outcome], figures: str) -> tuple[int, int]:
    """How many bands hold the truth, of how many."""
    bands = [band for one in outcomes for band in getattr(one, figures)]
    return sum(band.inside for band in bands), len(bands)


def missed(world: World, outcomes: Sequence[Outcome]) -> list[str]:
    """The bars that were missed."""
    lines = list[str]()
    told = [one for one in outcomes if one.verdict != "refused"]
    wrong = [
        one
        for one in outcomes
        if one.verdict == "refused"
        and not any((world.refused or CLOSURE) in why for why in one.reasons)
    ]
    if wrong:
        lines.append(f"{len(wrong)} refused for another reason: {wrong[0].reasons}")
    if world.always and told:
        lines.append(f"{len(told)} of {len(outcomes)} are not refused")
    lost = len(outcomes) - len(told)
    if not world.refused and lost > BAR_REFUSED * len(outcomes):
        lines.append(f"{lost} of {len(outcomes)} are refused")
    for figures in ("published", "activity", "work"):
        held, count = inside(told, figures)
        if held < (BAR_INSIDE * count if count > LEAST_JUDGED else count - 1):
            lines.append(f"{figures}: {held} of {count} bands hold the truth")
    if any(one.sums > BAR_SUM for one in told):
        lines.append("parts do not add up to the total")
    if not all(one.swaps for one in told):
        lines.append("exchanged roles do not exchange the figures")
    sizes = _sizes(world, told)
    lines += [f"{name} {value:.3f} > {bar:g}" for name, value, bar in sizes if value > bar]
    return lines


def _sizes(world: World, told: Sequence[Outcome]) -> list[tuple[str, float, float]]:
    """Name, figure and bar."""
    found = list[tuple[str, float, float]]()
    if world.bars:
        off, wide = share_errors(told), half_widths(told)
        found += [
            ("median error", median(off or [inf]), world.bars[0]),
            ("95th percentile of errors", late(off or [inf]), world.bars[1]),
            ("median half-width", median(wide or [inf]), world.bars[2]),
        ]
    if world.twins:
        halves = [abs(one.share.value / one.above_idle - 0.5) for one in told if one.share]
        found.append(("twins off half by", max(halves, default=inf), BAR_TWINS))
    idlers = [one.published[one.asleep] for one in told if one.published and one.asleep is not None]
    awake = sum(abs(band.value) > band.wide for band in idlers)
    return [*found, ("sleepers with a share of the kernels", awake, 0)]


def _cell(values: Sequence[float]) -> str:
    """Median / 95th percentile in percent."""
    return f"{100 * median(values):.1f} / {100 * late(values):.1f}" if values else "–"


def _held(outcomes: Sequence[Outcome], figures: str) -> str:
    held, count = inside(outcomes, figures)
    return f"{100 * held / count:.1f}" if count else "–"


def row(world: World, outcomes: Sequence[Outcome]) -> str:
    told = [one for one in outcomes if one.verdict != "refused"]
    dynamic = [
        abs(one.share.value / one.true_dynamic_share - 1) for one in told if one.share is not None
    ]
    wide = half_widths(told)
    closures = [abs(one.closure) for one in told if one.closure is not None]
    cells = [
        world.name,
        str(len(outcomes) - len(told)),
        str(sum(one.verdict == "disagree" for one in told)),
        _cell(share_errors(told)),
        _cell(dynamic),
        f"{100 * median(wide):.1f}" if wide else "–",
        *(_held(told, figures) for figures in ("published", "activity", "work")),
        f"{100 * median(closures):.1f}" if closures else "–",
    ]
    for name in ("busy", "marginal", "one_reference"):
        cells.append(_cell(errors(told, lambda one, name=name: one.others.get(name))))
    return f"| {' | '.join(cells)} |"


HEAD = """\
| world | refused | disagree | error %, median / p95 | against the kernels alone | ± % (median) \
| inside % | activity | work | closure % | by busy time | marginal | one reference |
|---|---|---|---|---|---|---|---|---|---|---|---|---|"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [world.case.__name__ for world in WORLDS]
    parser.add_argument("--pairs", type=int, default=200, help="of each world (default: 200)")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="worlds")
    options = parser.parse_args()
    lines = list[str]()
    print(HEAD)
    for world in WORLDS:
        if world.case.__name__ not in options.only:
            continue
        random = Random(7)
        outcomes = [judged(simulated(world, random)) for _ in range(options.pairs)]
        print(row(world, outcomes), flush=True)
        lines += [f"missed: {world.name}: {line}" for line in missed(world, outcomes)]
    print("", *lines, f"{len(lines)} missed", sep="\n")
    return int(len(lines) > 0)


if __name__ == "__main__":
    sys.exit(main())
