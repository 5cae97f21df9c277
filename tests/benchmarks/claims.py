"""How often comparisons of blocks are wrong: python tests/benchmarks/claims.py [--campaigns N]

Simulated campaigns, judged by the code that `energyctl compare` judges by. Each block has one value
of its own (30 % apart), and a run under each condition; the machine drifts by 3 % from the first
run to the last; the orders are those that a plan draws. Exits with 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from typing import Any
from zlib import crc32

import numpy as np

from energyctl.analysis.compare.contrasts import Effect, effect
from energyctl.analysis.compare.planning import power_of, power_within_margin
from energyctl.analysis.compare.unpaired import mann_whitney
from energyctl.analysis.compare.verdicts import Verdict, holm, holm_margins, verdict
from energyctl.config.plan.orders import block_orders

VALUES, DRIFT = 0.30, 0.03
SIZES = (5, 8, 12)
SPREADS = (0.005, 0.015)
ALPHA = 0.05
MARGIN = math.log(1.05)
TRUE = math.log(1.03)
"""The true difference of the tables that show only one."""

SHARPER = 5
"""So many more campaigns for the table of power: of 2,000 the bar of 99 % cannot be told from the
99.3 % that is true."""
MOST_FALSE, LEAST_COVERAGE, MOST_COVERAGE = 6.5, 93.0, 97.0
POWER_POINTS, LEAST_WITHIN = 3.0, 99.0
NO_MORE: set[Verdict] = {
    "differs, within the margin",
    "alike within the margin",
    "no more than the margin",
}


def normal(random: Any, runs: int) -> Any:
    return random.normal(size=runs)


def log_normal(random: Any, runs: int) -> Any:
    sd = math.sqrt((math.e - 1) * math.e)
    return (np.exp(random.normal(size=runs)) - math.sqrt(math.e)) / sd


def heavy_tailed(random: Any, runs: int) -> Any:
    """Student's t with 2.5 degrees of freedom."""
    return random.standard_t(2.5, size=runs) / math.sqrt(5)


def from_run_to_run(random: Any, runs: int) -> Any:
    """Each is 0.7 of the one before, and something new."""
    errors = random.normal(size=runs)
    for run in range(1, runs):
        errors[run] = 0.7 * errors[run - 1] + math.sqrt(1 - 0.49) * errors[run]
    return errors


@dataclass(frozen=True)
class World:
    """errors: of the runs in order of time, with a standard deviation of 1; widest: of the last
    condition, where the first has 1. most_coverage: the bar in percent."""

    name: str
    errors: Callable[[Any, int], Any]
    widest: float = 1.0
    most_coverage: float = 100.0


WORLDS = (
    World("normal", normal, most_coverage=MOST_COVERAGE),
    World("log-normal", log_normal),
    World("t, 2.5 df", heavy_tailed),
    World("spreads 1 : 4", normal, widest=4.0),
    World("AR(1) 0.7", from_run_to_run),
)


@cache
def drawn(key: str, blocks: int, conditions: int) -> Any:
    """The product's orders; the places of the conditions in time, blocks × conditions."""
    orders = np.array(list(islice(block_orders(key, conditions), blocks)))
    return np.argsort(orders, axis=1) + conditions * np.arange(blocks)[:, None]


def as_written(key: str, blocks: int, conditions: int) -> Any:
    return np.arange(blocks * conditions).reshape(blocks, conditions)


def one_after_the_other(key: str, blocks: int, conditions: int) -> Any:
    """All runs of one condition, then all of the next."""
    return np.arange(blocks * conditions).reshape(conditions, blocks).T


@dataclass(frozen=True)
class Trials:
    """Campaigns of one kind. Each is what its runs took, ln(J): blocks × conditions."""

    world: World
    spread: float
    blocks: int
    truths: tuple[float, ...]
    places: Callable[[str, int, int], Any] = drawn
    values: float = VALUES
    drift: float = DRIFT

    def campaigns(self, count: int) -> list[Any]:
        kind = self.world.name, self.spread, self.blocks, self.truths, self.values, self.drift
        random = np.random.default_rng(crc32(f"{kind} {self.places.__name__}".encode()))
        return [self._campaign(random, f"{number}") for number in range(count)]

    def _campaign(self, random: Any, key: str) -> Any:
        conditions = len(self.truths)
        runs = self.blocks * conditions
        values = random.normal(0, self.values, self.blocks)[:, None]
        drift = np.log1p(self.drift * np.arange(runs) / (runs - 1))
        errors = self.spread * self.world.errors(random, runs)
        places = self.places(key, self.blocks, conditions)
        widths = np.linspace(1, self.world.widest, conditions)
        return values + np.array(self.truths) + drift[places] + widths * errors[places]


def effects(campaign: Any) -> list[Effect]:
    """Of each condition against the first."""
    return [effect((column - campaign[:, 0]).tolist()) for column in campaign.T[1:]]


def percent(hits: Sequence[bool]) -> float:
    return 100 * sum(hits) / len(hits)


def claims(campaign: Any) -> bool:
    """Whether the analysis of blocks tells any of the conditions from the first."""
    ps = [found.p for found in effects(campaign)]
    return any(p is not None and p <= ALPHA for p in holm(ps))


def rank_test_claims(campaign: Any) -> bool:
    """The same of the analysis that took no notice of blocks."""
    return mann_whitney(*campaign.T.tolist())[0] <= ALPHA


def covers(campaign: Any) -> bool:
    (found,) = effects(campaign)
    return found.low is not None and found.high is not None and found.low <= TRUE <= found.high


def told_and_verdict(campaign: Any) -> tuple[bool, Verdict]:
    (found,) = effects(campaign)
    told = found.p is not None and found.p <= ALPHA
    return told, verdict(found, found.p, ALPHA, MARGIN)


class Table:
    """Rows as they are printed; missed counts cells that are beyond their bar, which are marked."""

    def __init__(self, *heads: str) -> None:
        self.missed = 0
        print(f"\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")

    def row(self, *cells: str) -> None:
        self.missed += sum("missed" in cell for cell in cells)
        print(f"| {' | '.join(cells)} |", flush=True)


def cell(figures: Sequence[float], least: float = 0.0, most: float = 100.0) -> str:
    """One figure for each number of blocks."""
    text = " / ".join(f"{figure:.1f}" for figure in figures)
    return text if all(least <= figure <= most for figure in figures) else f"**{text}, missed**"


def of_sizes(count: int, judged: Callable[[Any], bool], trials: Callable[[int], Trials]) -> Any:
    return [percent(list(map(judged, trials(n).campaigns(count)))) for n in SIZES]


def errors_table(count: int) -> int:
    """False claims, coverage, and family error, for each kind of errors and spread."""
    table = Table(
        "errors", "spread of a run, %", "false claims, %", "coverage, %", "power at + 3 %, %",
        "family error of 3 conditions, %", "of 4, %",
    )  # fmt: skip
    for world in WORLDS:
        for spread in SPREADS:
            of = partial(Trials, world, spread)
            truth = partial(of, truths=(0.0, TRUE))
            families = [partial(of, truths=(0.0,) * k) for k in (2, 3, 4)]
            false, three, four = (of_sizes(count, claims, family) for family in families)
            table.row(
                world.name,
                f"{100 * spread:g}",
                cell(false, most=MOST_FALSE),
                cell(of_sizes(count, covers, truth), LEAST_COVERAGE, world.most_coverage),
                cell(of_sizes(count, claims, truth)),
                cell(three, most=MOST_FALSE),
                cell(four, most=MOST_FALSE),
            )
    return table.missed


def power_table(count: int) -> int:
    """Differences told, and what is said of a margin of 5 %, without drift, as planning has it."""
    table = Table(
        "true difference, %", "told from 0, %", "by the noncentral t", "no more than 5 %",
        "exactly", "more than 5 %",
    )  # fmt: skip
    spread, sd = SPREADS[1], SPREADS[1] * math.sqrt(2)
    for share in (0.0, 0.02, 0.03, 0.05, 0.08):
        true = math.log1p(share)
        judged = [
            list(map(told_and_verdict, trials.campaigns(SHARPER * count)))
            for trials in (Trials(WORLDS[0], spread, n, (0.0, true), drift=0.0) for n in SIZES)
        ]
        told = [percent([told for told, _ in some]) for some in judged]
        exact = [100 * power_of(n, true, sd) for n in SIZES]
        no_more = [percent([one in NO_MORE for _, one in some]) for some in judged]
        within = [100 * power_within_margin(n, true, sd, MARGIN, False) for n in SIZES]
        more = [percent([one == "more than the margin" for _, one in some]) for some in judged]
        far = max(abs(a - b) for a, b in zip(told, exact, strict=True)) > POWER_POINTS
        table.row(
            f"{100 * share:g}",
            cell(told, least=101 if far else 0),
            cell(exact),
            cell(no_more, LEAST_WITHIN if not share else 0, 100 if share < 0.05 else MOST_FALSE),
            cell(within),
            cell(more, most=MOST_FALSE if share <= 0.05 else 100),
        )
    return table.missed


def verdicts_of(campaign: Any) -> list[Verdict]:
    """Of all conditions against the first, corrected for their number."""
    found = effects(campaign)
    adjusted, margins = holm([one.p for one in found]), holm_margins(found, MARGIN)
    triples = zip(found, adjusted, margins, strict=True)
    return [verdict(one, p, ALPHA, MARGIN, ps) for one, p, ps in triples]


def families_table(count: int) -> int:
    """What is said of any of several conditions that all take 5 % more than the first."""
    table = Table("conditions", "no more than 5 %, false", "more than 5 %, false")
    for k in (3, 4):
        judged = [
            list(map(verdicts_of, trials.campaigns(count)))
            for trials in (
                Trials(WORLDS[0], SPREADS[1], n, (0.0, *[MARGIN] * (k - 1))) for n in SIZES
            )
        ]
        less = [percent([any(v in NO_MORE for v in some) for some in one]) for one in judged]
        more = [percent(["more than the margin" in some for some in one]) for one in judged]
        table.row(f"{k}", cell(less, most=MOST_FALSE), cell(more, most=MOST_FALSE))
    return table.missed


DESIGNS = (
    ("blocks in drawn order; their log ratios", drawn, VALUES, claims),
    ("blocks in the order as written; their log ratios", as_written, VALUES, claims),
    ("blocks in drawn order; rank test of the runs", drawn, VALUES, rank_test_claims),
    ("all of one, then all of the other, equal values; rank test", one_after_the_other, 0.0,
     rank_test_claims),
)  # fmt: skip


def designs_table(count: int) -> None:
    """Beside other designs and the analysis before; without bars."""
    table = Table("design; analysis", "spread of a run, %", "false claims, %", "power at + 3 %, %")
    for name, places, values, judged in DESIGNS:
        for spread in SPREADS:
            of = partial(Trials, WORLDS[0], spread, places=places, values=values)
            none, some = (
                of_sizes(count, judged, partial(of, truths=(0.0, true))) for true in (0.0, TRUE)
            )
            table.row(name, f"{100 * spread:g}", cell(none), cell(some))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--campaigns", type=int, default=2000, help="of each kind (2000)")
    count = parser.parse_args().campaigns
    print(f"figures: of {' / '.join(map(str, SIZES))} blocks, {count} campaigns each")
    missed = errors_table(count) + power_table(count) + families_table(count)
    designs_table(count)
    print(f"\n{missed} missed")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
