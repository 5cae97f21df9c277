"""Conditions compared: each block from the base to the condition, and its ratio in order of time.

A chart draws one :class:`Panel`; data `blocks`, `means`, `ratios`, `intervals` of all panels.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from energyctl.analysis.charts import themes
from energyctl.analysis.charts.altair import TEXT, Width, alt, layered
from energyctl.analysis.charts.encodings import by_condition, lines

LABEL, MOST_LINES = 16, 4
"""Characters of a condition's name in a line, where the width is not known; lines of it."""
MOST_TICKS = 6
MOST_NUMBERED = 12
"""Blocks that are all numbered on an axis."""


@dataclass(frozen=True)
class Panel:
    """One comparison as it is drawn.

    number: of its rows (`contrast`). training: as ``NAME: ``, empty where all are of one. names: of
    base and condition. conditions: all that have a mark. value, change: titles of the axes. domain,
    ticks: of values; log: whether on a log axis. changes: the domain of changes. blocks: how many,
    0 of independent runs; along: what they are. margin: its both ends, on the axis of changes.
    """

    number: int
    training: str
    note: str
    names: tuple[str, str]
    conditions: Sequence[str]
    value: str
    domain: tuple[float, float]
    ticks: Sequence[float]
    log: bool
    change: str
    changes: tuple[float, float]
    blocks: int
    along: str
    margin: tuple[float, float] | None

    @property
    def title(self) -> str:
        return f"{self.training}{self.names[1]} against {self.names[0]}"


def block_lines(
    panel: Panel, width: Width = "container", height: float = 220, text: float = TEXT
) -> alt.LayerChart:
    """A thin line per block from the base to the condition, geometric means in colour. Of
    independent runs a dot each, in order of time from left to right within a group."""
    letters = LABEL if isinstance(width, str) else max(6, int(width / 2 / text))
    first, second = (json.dumps(lines) for lines in _names(panel, letters))
    x = alt.X(
        "place:Q",
        title=None,
        scale=alt.Scale(domain=[-0.5, 1.5], nice=False, zero=False),
        axis=alt.Axis(
            values=[0, 1], labelExpr=f"datum.value < 0.5 ? {first} : {second}", grid=False,
            labelLimit=0, labelOverlap=False, labelFlush=False,
        ),
    )  # fmt: skip
    y = alt.Y(
        "value:Q",
        title=panel.value,
        scale=alt.Scale(
            type="log" if panel.log else "linear", domain=list(panel.domain), nice=False
        ),
        axis=alt.Axis(values=list(panel.ticks), format=",.6~g", labelOverlap=True),
    )
    tooltip = [
        alt.Tooltip("block:N", title=panel.along.lower()),
        alt.Tooltip("condition:N", title="condition"),
        alt.Tooltip("value:Q", title=panel.value, format=",.5~g"),
    ]
    each = _rows(panel, "blocks").encode(x=x, y=y, tooltip=tooltip)
    runs = (
        each.mark_line(color=themes.FRONT, strokeWidth=0.6, opacity=0.7).encode(
            detail="block:N", order="place:Q"
        )
        if panel.blocks
        else each.mark_point(filled=True, color=themes.FRONT, opacity=0.7)
    )
    means = _rows(panel, "means").encode(
        x=x,
        y=y,
        **_marks(panel),
        tooltip=[*tooltip[1:2], alt.Tooltip("value:Q", title="mean", format=",.5~g")],
    )
    return layered([runs, _mean_mark(means, text)], width, height)


def block_ratios(
    panel: Panel, width: Width = "container", height: float = 220, text: float = TEXT
) -> alt.LayerChart:
    """The change of each block in order of time, and their mean with its interval; a dashed line
    at 0, the margin as a band."""
    x = _order(panel)
    y = alt.Y("change:Q", title=panel.change, axis=alt.Axis(format=",.4~g", tickCount=6),
              scale=alt.Scale(domain=list(panel.changes), nice=False))  # fmt: skip
    dots = _rows(panel, "ratios").mark_point(filled=True, opacity=0.75)
    each = dots.encode(
        x=x,
        y=y,
        **_marks(panel),
        tooltip=[
            alt.Tooltip("block:N", title=panel.along.lower()),
            alt.Tooltip("change:Q", title=panel.change, format="+,.3~f"),
            alt.Tooltip("first:N", title="ran first"),
        ],
    )
    return layered([*_levels(panel), each, *_interval(panel, x, y, text)], width, height)


def _levels(panel: Panel) -> list[Any]:
    """0, and the margin behind it."""
    intervals, layers = _rows(panel, "intervals"), list[Any]()
    if panel.margin is not None:
        low, high = panel.margin
        band = intervals.mark_rect(color=themes.FRONT, opacity=0.16)
        layers.append(band.encode(y=alt.datum(low), y2=alt.datum(high)))
    zero = intervals.mark_rule(strokeDash=[3, 2], color=themes.FRONT)
    return [*layers, zero.encode(y=alt.datum(0))]


def _interval(panel: Panel, x: alt.X, y: alt.Y, text: float) -> list[Any]:
    """The mean with its interval."""
    marks = _marks(panel)
    found = _rows(panel, "intervals").encode(
        x=x,
        color=marks["color"],
        tooltip=[
            alt.Tooltip("change:Q", title="mean", format="+,.3~f"),
            alt.Tooltip("low:Q", title="from", format="+,.3~f"),
            alt.Tooltip("high:Q", title="to", format="+,.3~f"),
        ],
    )
    caps = found.mark_tick(orient="horizontal", width=2 * text, thickness=text / 5, opacity=1)
    ends = [caps.encode(y=f"{end}:Q") for end in ("low", "high")]
    rule = found.mark_rule().encode(y="low:Q", y2="high:Q")
    return [rule, *ends, _mean_mark(found.encode(y=y, shape=marks["shape"]), text)]


def _order(panel: Panel) -> alt.X:
    """Blocks by number, and behind them a place for their mean."""
    n, mean = panel.blocks, mean_place(panel.blocks)
    last = "mean" if n else "ratio" if panel.log else "difference"
    ends = [min(0.3, 1 - 0.02 * n) if n else 0.0, mean + 0.7 * (mean - n)]
    return alt.X(
        "order:Q",
        title=f"{panel.along}, in order of time" if n else None,
        scale=alt.Scale(domain=ends, nice=False, zero=False),
        axis=alt.Axis(
            values=[*_numbered(n), mean],
            labelExpr=f"datum.value > {n} ? '{last}' : format(datum.value, 'd')",
            grid=False,
            labelOverlap=False,
        ),
    )


def comparison(
    panels: Sequence[Panel], width: float = 640, height: float = 200, text: float = TEXT
) -> alt.VConcatChart:
    """A row for each panel: its blocks at the left, their ratios at the right."""
    rows: list[Any] = [_row(panel, width, height, text) for panel in panels]
    spacing = {"spacing": 4 * text} if len(rows) > 1 else {}
    whole: alt.VConcatChart = alt.vconcat(*rows, **spacing)
    return whole


def _row(panel: Panel, width: float, height: float, text: float) -> alt.HConcatChart:
    inside = max(width - 12 * text, width / 3)  # less the axis in the middle
    left, right = 0.38 * inside, 0.62 * inside
    letters = max(20, int(0.85 * width / text))
    title = alt.Title(lines(panel.title, letters), subtitle=lines(panel.note, letters))
    parts: list[Any] = [
        block_lines(panel, left, height, text), block_ratios(panel, right, height, text)
    ]  # fmt: skip
    row: alt.HConcatChart = alt.hconcat(*parts, spacing=2 * text).properties(title=title)
    return row


def mean_place(blocks: int) -> float:
    """Of the mean along the blocks: behind the last one."""
    return blocks + max(1.5, 0.18 * blocks) if blocks else 1.0


def axis_ticks(low: float, high: float, log: bool) -> list[float]:
    """Round values: of 1, 2 and 5 over a decade or more of a log axis, else equal steps."""
    rounds = [m * 10.0**power for power in range(-12, 18) for m in (1, 2, 5)]
    if log and high >= 10 * low:
        return [value for value in rounds if low <= value <= high]
    step = next((size for size in rounds if (high - low) / size < MOST_TICKS), rounds[-1])
    return [round(i * step, 12) for i in range(math.ceil(low / step), int(high // step) + 1)]


def _numbered(n: int) -> list[int]:
    if n <= MOST_NUMBERED:
        return list(range(1, n + 1))
    step = next(s for s in (5, 10, 20, 50, 100, 200, 500, 1000) if n / s <= 6 or s == 1000)
    return [1, *range(step, n + 1, step)]


def _rows(panel: Panel, name: str) -> alt.Chart:
    chart: alt.Chart = alt.Chart(alt.NamedData(name)).transform_filter(
        f"datum.contrast === {panel.number}"
    )
    return chart


def _mean_mark(chart: alt.Chart, text: float) -> alt.Chart:
    """Larger than a run's, in the sizes of print or screen."""
    size = 34 if text < TEXT else 140
    mark: alt.Chart = chart.mark_point(filled=True, size=size, opacity=1)
    return mark


def _marks(panel: Panel) -> dict[str, Any]:
    return by_condition(panel.conditions, legend=False)


def _names(panel: Panel, letters: int) -> list[list[str]]:
    """Of base and condition in lines; in general words where there is no room for these."""
    names = [lines(name, letters) for name in panel.names]
    if all(len(lines) <= MOST_LINES and max(map(len, lines)) <= letters for lines in names):
        return names
    return [["base"], ["condition"]]
