"""A study → the panels and rows that charts of blocks draw. Pure; needs SciPy, as studies do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from energyctl.analysis.charts.block_charts import Panel, axis_ticks, mean_place
from energyctl.analysis.compare.cells import ESTIMATES, Scale, drawn, estimated, scale_of
from energyctl.analysis.compare.comparison import WHAT, Comparison
from energyctl.analysis.compare.measures import name_of
from energyctl.analysis.compare.samples import Block
from energyctl.analysis.compare.study import Study
from energyctl.results.tables import Row
from energyctl.text import count, number

ROOM = 0.06
"""Share of an axis left free above and below what is drawn."""
SPREAD = 0.3
"""Half the width that a group of independent runs takes, where two groups are 1 apart."""

Rows = dict[str, list[Row]]


def panels(study: Study, conditions: Iterable[str] = ()) -> tuple[list[Panel], Rows]:
    """Of the main measure: a panel for each comparison, and the rows of all of them.

    conditions: further ones of the same runs, so that each is drawn as in their other charts.
    """
    found = study.of_main()
    every: Rows = {"blocks": [], "means": [], "ratios": [], "intervals": []}
    if not found:
        return [], every
    scale, known = scale_of(found), sorted({*conditions, *groups_of(study)})
    own = [_rows(one, place, scale) for place, one in enumerate(found)]
    for rows in own:
        for name, more in rows.items():
            every[name] += more
    log = all(one.ratio is not None for one in found)
    levels: dict[str | None, list[float]] = {}
    for one, rows in zip(found, own, strict=True):
        levels.setdefault(one.training, []).extend(row["value"] for row in rows["blocks"])
    domains = {training: _around(values, log) for training, values in levels.items()}
    return [
        _panel(one, place, rows, scale, domains, log, known)
        for place, (one, rows) in enumerate(zip(found, own, strict=True))
    ], every


def groups_of(study: Study) -> list[str]:
    """Names of all that are compared."""
    return sorted({of.name for one in study.comparisons for of in (one.a, one.b)})


def _changes(rows: Rows, margin: tuple[float, float] | None) -> list[float]:
    """All that is on the axis of changes."""
    ends = [one[name] for one in rows["intervals"] for name in ("change", "low", "high")]
    known = [end for end in ends if end is not None]
    return [0.0, *(row["change"] for row in rows["ratios"]), *known, *(margin or ())]


def _around(values: Sequence[float], log: bool) -> tuple[float, float]:
    """The values with some room above and below."""
    low, high = min(values), max(values)
    if log:
        room = max(high / low, 1.001) ** ROOM
        return low / room, high * room
    room = ROOM * (high - low) or 1.0
    return low - room, high + room


def _panel(
    found: Comparison,
    place: int,
    rows: Rows,
    scale: Scale,
    domains: Mapping[str | None, tuple[float, float]],
    log: bool,
    conditions: Sequence[str],
) -> Panel:
    """rows: its own. domains: of the values, by training."""
    name, unit = name_of(found.measure), f" ({scale.unit})" if scale.unit else ""
    of = f"{found.training}: " if len(domains) > 1 and found.training else ""
    domain, delta = domains[found.training], found.margin
    margin = None if delta is None else (100 * math.expm1(-delta), 100 * math.expm1(delta))
    return Panel(
        number=place,
        training=of,
        note=_note(found),
        names=(found.a.name, found.b.name),
        conditions=conditions,
        value=f"{name[0].upper()}{name[1:]}{unit}",
        domain=domain,
        ticks=axis_ticks(*domain, log),
        log=log,
        change="Ratio − 1 (%)" if found.ratio is not None else f"Difference{unit}",
        changes=_around(_changes(rows, margin), False),
        blocks=len(found.sample.blocks),
        along=WHAT[found.sample.design].capitalize(),
        margin=margin,
    )


def _note(found: Comparison) -> str:
    """n, order, and what the interval is."""
    effect, blocks = found.found, found.sample.blocks
    if blocks:
        equal = " of equal values" if found.sample.design == "pairs of equal values" else ""
        text = f"{count(effect.n, WHAT[found.sample.design])}{equal}"
        if all(block.second for block in blocks):
            first = sum(block.second == 1 for block in blocks)
            text += f", {found.a.name} first in {first}"
        test, what = "Student's t", "mean"
    else:
        text = f"runs, not in blocks: {found.a.n} {found.a.name}, {found.b.n} {found.b.name}"
        test, what = "Welch's t", "ratio of geometric means" if found.ratio else "difference"
    if effect.low is None:
        text += f"; no interval: {effect.missing}"
    else:
        text += f"; {what} with its {100 * found.options.confidence:g} % interval ({test})"
    if found.margin is not None:
        text += f"; band: margin of {number(100 * (found.options.margin or 0.0))} %"
    return f"{text}; {ESTIMATES}" if estimated(found) else text


def _rows(found: Comparison, place: int, scale: Scale) -> Rows:
    sides = found.a, found.b
    each = _of_blocks(found, scale) if found.sample.blocks else _of_runs(found, scale)
    ratios = [
        {
            "order": order,
            "block": block.name,
            "condition": found.b.name,
            "change": drawn(found, value, scale),
            "first": {1: found.a.name, -1: found.b.name}.get(block.second, "not known"),
        }
        for order, (block, value) in enumerate(
            zip(found.sample.blocks, found.values, strict=True), 1
        )
    ]
    means = [
        {
            "place": side,
            "condition": of.name,
            "value": (of.mean if found.ratio is None else of.geometric_mean or 0.0) / scale.factor,
        }
        for side, of in enumerate(sides)
    ]
    ends = {"change": found.found.mean, "low": found.found.low, "high": found.found.high}
    interval = {
        "order": mean_place(len(found.sample.blocks)),
        "condition": found.b.name,
        **{name: None if end is None else drawn(found, end, scale) for name, end in ends.items()},
    }
    rows = {"blocks": each, "means": means, "ratios": ratios, "intervals": [interval]}
    return {name: [{"contrast": place, **row} for row in of] for name, of in rows.items()}


def _of_blocks(found: Comparison, scale: Scale) -> list[Row]:
    return [
        {"block": block.name, "place": side, "condition": of.name, "value": level}
        for block in found.sample.blocks
        for side, (of, level) in enumerate(
            zip((found.a, found.b), _levels(block, found, scale), strict=True)
        )
    ]


def _levels(block: Block, found: Comparison, scale: Scale) -> list[float]:
    """Of both sides: over the cells of a grid the means that the ratio is of."""
    if found.ratio is None:
        return [value / scale.factor for value in block.values]
    logs = [[math.log(value) for value in side] for side in zip(*block.cells.values(), strict=True)]
    return [math.exp(fmean(side)) / scale.factor for side in logs]


def _of_runs(found: Comparison, scale: Scale) -> list[Row]:
    """Each group's side by side, in the order of time."""
    rows = []
    for side, of in enumerate((found.sample.a, found.sample.b)):
        runs = sorted(of.rows, key=lambda row: row.get("started") or math.inf)
        step = 2 * SPREAD / max(len(runs) - 1, 1)
        start = side - SPREAD if len(runs) > 1 else side
        rows += [
            {
                "block": row["experiment_id"],
                "place": start + step * index,
                "condition": of.name,
                "value": float(row[found.measure]) / scale.factor,
            }
            for index, row in enumerate(runs)
        ]
    return rows
