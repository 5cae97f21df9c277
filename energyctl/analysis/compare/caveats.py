"""What else differs between two groups, or is odd in one: said right under the comparison. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from energyctl.analysis.compare import enforcement
from energyctl.analysis.compare.contrasts import Effect
from energyctl.analysis.compare.grouping import Side
from energyctl.analysis.compare.measures import (
    estimates,
    is_energy,
    is_of_total,
    text_of,
)
from energyctl.analysis.compare.samples import Sample
from energyctl.results.tables import Row
from energyctl.text import number, percent

SURROUNDINGS = {
    "node": "machines",
    "total_of": "domains in the total",
    "gpus": "GPUs",
    "gpu_uuids": "cards",
    "gpu_driver": "GPU drivers",
    "gpu_power_limit_watts": "GPU power limits (W)",
    "requested_gpu_clock_mhz": "GPU clocks, as they were asked for (MHz)",
    "governors": "CPU governors",
    "imported": "origins (imported: true, false)",
}
"""What makes runs differ by itself → its name in words."""
_FACTS = {"governor": "governors", "gpu_clock_mhz": "requested_gpu_clock_mhz"}
"""Machine setting → what differs of the surroundings where it does; the others have one name."""
PRESENT = 0.99
"""Coverage below which a run has a warning."""
FAILED_APART = 2
"""So many more failures of one group than of the other may select which runs are compared."""


def caveats(sample: Sample, measure: str, by: str | None) -> list[str]:
    """A line each; of independent runs with :func:`drawn_anew` before them."""
    a, b = sample.a, sample.b
    own = (by, _FACTS.get(by or ""), None if is_of_total(measure) else "total_of")
    lines = [_different(word, name, a, b) for name, word in SURROUNDINGS.items() if name not in own]
    lines += enforcement.caveats(a, b)
    lines += [_pooled(side, by) for side in (a, b)]
    lines += [_absent(side) for side in (a, b)]
    if is_energy(measure):
        lines.append(_estimated(a, b))
    lines.append(_failures(a, b))
    lines += _throttled(a, b, by)
    lines += _fixed(a, b, by)
    lines.append(_one_order(sample))
    return [line for line in lines if line is not None]


def drawn(sample: Sample, by: str | None) -> list[str]:
    """Parameters whose values are of single runs, though both groups could have had the same."""
    if sample.design != "independent runs":
        return []
    rows = [*sample.a.rows, *sample.b.rows]
    names = sorted({name for row in rows for name in row if name.startswith("hyperparam_")})
    short = [name.removeprefix("hyperparam_") for name in names if _many_values(rows, name)]
    return [name for name in short if name != by]


def drawn_anew(names: Sequence[str], found: Effect | None) -> str:
    """found: the effect on logarithms, whose interval is what chance alone makes of it."""
    alone = ""
    if found is not None and found.low is not None and found.high is not None:
        factor = math.exp((found.high - found.low) / 2)
        much = f"a factor of {number(factor, 2)}" if factor >= 2 else percent(factor - 1)
        alone = f": by chance alone up to {much} (95 %)"
    return (
        f"values were drawn anew in each group ({', '.join(names)}){alone}; `conditions` in the "
        "settings file runs both with the same values"
    )


def _different(word: str, name: str, a: Side, b: Side) -> str | None:
    first, second = (
        {text_of(row.get(name)) for row in side.rows if name != "imported" or row.get(name)}
        for side in (a, b)
    )
    if name == "imported":
        if bool(first) == bool(second):
            return None
        old = a.name if first else b.name
        return f"the runs of {old} are old recordings, those of the other were metered by energyctl"
    if first == second:
        return None
    return f"of different {word}: {_listed(first)} against {_listed(second)}"


def _pooled(side: Side, by: str | None) -> str | None:
    """Several conditions in one group."""
    conditions = Counter(str(row.get("condition")) for row in side.rows)
    if by == "condition" or len(conditions) < 2:
        return None
    several = ", ".join(f"{name} ({n})" for name, n in sorted(conditions.items()))
    return f"{side.name} has runs of several conditions, taken together: {several}"


def _absent(side: Side) -> str | None:
    """A background that was away a part of the time."""
    shares = [
        row["background_min_coverage"]
        for row in side.rows
        if row.get("background_min_coverage") is not None
    ]
    away = [share for share in shares if share < PRESENT]
    if not away:
        return None
    return (
        f"the background of {side.name} ran for less than {percent(PRESENT, 0)} of the training "
        f"in {len(away)} of {len(side.rows)} runs, in one for only {percent(min(away))}"
    )


def _estimated(a: Side, b: Side) -> str | None:
    counts = [estimates(side.rows) for side in (a, b)]
    if not any(counts):
        return None
    if counts == [len(a.rows), len(b.rows)]:
        return "all energies are estimates, in part: their error need not be alike in both"
    each = " and ".join(
        f"{n} of {len(side.rows)} of {side.name}" for n, side in zip(counts, (a, b), strict=True)
    )
    return f"estimates stand beside measurements: {each} are estimates, in part"


def _failures(a: Side, b: Side) -> str | None:
    if abs(len(a.failed) - len(b.failed)) < FAILED_APART:
        return None
    each = ", ".join(f"{side.name} {len(side.failed)} of {side.runs}" for side in (a, b))
    return f"runs that failed are not in this figure: {each}"


def _throttled(a: Side, b: Side, by: str | None) -> list[str]:
    """A line for each cause that held down more of one group's runs than of the other's, unless it
    is what the groups differ by."""
    first, second = (
        [set(str(r["throttled_by"]).split("; ")) for r in side.rows if r.get("throttled_by")]
        for side in (a, b)
    )
    notes = []
    for cause in sorted(set().union(*first, *second) - {"nothing"}) if first and second else ():
        if by == "gpu_power_limit_watts" and cause.endswith(" power_cap"):
            continue
        of_a, of_b = (sum(cause in causes for causes in side) for side in (first, second))
        if of_a * len(second) != of_b * len(first):
            notes.append(
                f"not throttled alike ({cause}): {of_a} of {len(first)} runs against {of_b} of "
                f"{len(second)}; a part of the difference may come from that"
            )
    return notes


def _fixed(a: Side, b: Side, by: str | None) -> list[str]:
    """Hyper-parameters that are one value in each group, and not the same."""
    names = {n for side in (a, b) for row in side.rows for n in row if n.startswith("hyperparam_")}
    lines = []
    for name in sorted(names):
        short = name.removeprefix("hyperparam_")
        first, second = ({text_of(row.get(name)) for row in side.rows} for side in (a, b))
        if short != by and len(first) == len(second) == 1 and first != second:
            lines.append(f"{short} differs, too: {_listed(first)} against {_listed(second)}")
    return lines


def _one_order(sample: Sample) -> str | None:
    if sample.design != "blocks" or len(sample.blocks) < 2:
        return None
    seconds = {second for block in sample.blocks for second in block.seconds} - {0}
    if len(seconds) != 1:
        return None
    first = sample.a.name if seconds == {1} else sample.b.name
    return (
        f"{first} ran first in every block: a steady drift is a part of the difference "
        '(`"order": "blocks"` balances it)'
    )


def _many_values(rows: Sequence[Row], name: str) -> bool:
    """Whether values of that column are of single runs, as drawn ones are."""
    known = [row[name] for row in rows if row.get(name) is not None]
    return len(set(map(text_of, known))) > max(2, len(known) // 2)


def _listed(texts: set[str]) -> str:
    return ", ".join(sorted(texts))
