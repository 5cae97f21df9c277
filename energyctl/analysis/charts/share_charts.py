"""Whose energy it was: a stacked bar for each condition, and what doing both together saved.

Data `shares`, `borders`, `untold` and `savings`, of :func:`share_chart`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from energyctl.analysis.charts import themes
from energyctl.analysis.charts.altair import TEXT, Width, alt, columns, layered
from energyctl.analysis.charts.encodings import by_condition, lines
from energyctl.analysis.interference.means import CONFIDENCE, Means, means_of
from energyctl.analysis.interference.share_means import ShareMeans, by_kind, share_means
from energyctl.results.pairs import PARTS, Pair
from energyctl.results.tables import Row
from energyctl.text import ENERGY_UNITS, energy_unit

LABEL = 22
"""Characters of a line of a bar's name."""
BAR = 0.6
"""Of its step; in the rest stand the words of its parts."""
STEP, PRINT_STEP = 56.0, 26.0
"""Height of a bar with its gap, in pixels and in points."""

SHARE_NOTE = (
    "Means over blocks, of all GPUs and of all CPU packages. The band at the border of foreground "
    "and background: by so much the one may have more and the other less. Saved together: energy "
    "of the whole machine for the same work one after the other, less that of both together, with "
    f"its {100 * CONFIDENCE:g} % interval over blocks."
)
"""What the marks are."""


@dataclass(frozen=True)
class ShareChart:
    """What is drawn: names of bars and of savings, in lines; one unit for all. conditions: all that
    have a mark."""

    bars: Sequence[str]
    saved: Sequence[str]
    conditions: Sequence[str]
    unit: str
    rows: dict[str, list[Row]]


def share_chart(pairs: Sequence[Pair], conditions: Iterable[str] = ()) -> ShareChart | None:
    """Means over blocks by condition, of all GPUs and of all CPU packages. None where there is no
    share.

    conditions: of all runs, so that each is drawn as in their other charts.
    """
    means = share_means(pairs, by_kind)
    shown = {one.domains for one in means if one.parts}
    means = [one for one in means if one.domains in shown]
    if not means:
        return None
    together = means_of(pairs)
    several = len({one.training for one in together}) > 1
    bars = [_name(one, several, ", ".join(one.domains)) for one in means]
    rows: dict[str, list[Row]] = {"shares": [], "borders": [], "untold": []}
    for bar, one in zip(bars, means, strict=True):
        rows["shares"] += _parts(bar, one)
        rows["borders"] += _border(bar, one)
        rows["untold"] += [] if one.parts else [{"bar": bar, "text": " and ".join(one.verdicts)}]
    rows["savings"] = [_saving(_name(one, several), one) for one in together]
    unit = energy_unit(row["end"] for row in rows["shares"])
    saved = [_name(one, several) for one in together]
    known = sorted({*conditions, *(one.condition for one in together)})
    return ShareChart(bars, saved, known, unit, rows)


def _name(found: Means | ShareMeans, several: bool, domains: str = "") -> str:
    parts = [found.training if several else "", found.condition, domains]
    return "\n".join(line for part in parts if part for line in lines(part, LABEL))


def _parts(bar: str, found: ShareMeans) -> list[Row]:
    """From the idle machine on, each behind the one before."""
    made, start = list[Row](), 0.0
    for part, joules in zip(PARTS, found.parts, strict=False):
        made.append({"bar": bar, "part": part, "start": start, "end": start + joules,
                     "joules": joules, "of": found.size})  # fmt: skip
        start += joules
    return made


def _border(bar: str, found: ShareMeans) -> list[Row]:
    """Between foreground and background: by how much either may have more or less."""
    if not found.parts or found.foreground_off is None:
        return []
    at = sum(found.parts[:3])
    off = found.foreground_off
    return [{"bar": bar, "low": at - off, "high": at + off, "off": off}]


def _saving(bar: str, found: Means) -> Row:
    mean = found.saving_joules
    return {"bar": bar, "condition": found.condition, "joules": mean.value, "low": mean.low,
            "high": mean.high}  # fmt: skip


def share_bars(
    chart: ShareChart, width: Width = "container", height: float | None = None, text: float = TEXT
) -> alt.LayerChart:
    """Idle, context, foreground, background, with their words where there is room; at the border of
    the last two the band of both."""
    y = _along("bar", chart.bars, text)
    parts = alt.Chart(alt.NamedData("shares")).mark_bar(height=alt.RelativeBandSize(BAR))
    colours = [themes.SHARE_COLOURS[part] for part in PARTS]
    stacked = parts.encode(
        x=_energy("start:Q", "Energy", chart.unit, 5),
        x2="end:Q",
        y=y,
        color=alt.Color(
            "part:N",
            scale=alt.Scale(domain=list(PARTS), range=colours),
            legend=alt.Legend(title=None, symbolType="square", columns=columns(PARTS, width, text)),
        ),
        tooltip=[
            alt.Tooltip("part:N", title="part"),
            alt.Tooltip("joules:Q", title="energy (J)", format=",.5~r"),
            alt.Tooltip("of:N", title="mean of"),
        ],
    )
    border = alt.Chart(alt.NamedData("borders")).encode(
        y=y, tooltip=[alt.Tooltip("off:Q", title="± (J)", format=",.3~r")]
    )
    band = _interval(border, text)
    untold = alt.Chart(alt.NamedData("untold")).mark_text(align="left", dx=text)
    untold = untold.encode(x=alt.datum(0), y=y, text="text:N")
    return layered(
        [stacked, _part_names(chart, width, text), *band, untold],
        width,
        height or STEP * len(chart.bars),
    )


def _part_names(chart: ShareChart, width: Width, text: float) -> alt.Chart:
    """The words of each part that is wide enough for them, above it."""
    drawn = "scale('x', datum.end) - scale('x', datum.start)"
    if not isinstance(width, str):
        # The axis ends at a round value, a little behind the longest bar.
        longest = 1.15 * max((row["end"] for row in chart.rows.get("shares", ())), default=1.0)
        drawn = f"{width / longest} * datum.joules"
    words = alt.Chart(alt.NamedData("shares")).mark_text(baseline="bottom", dy=-0.3 * text)
    names: alt.Chart = words.transform_calculate(middle="(datum.start + datum.end) / 2").encode(
        x="middle:Q",
        y=_along("bar", chart.bars, text, place=(1 - BAR) / 2),
        text=alt.when(f"{drawn} > {0.9 * text:.2f} * length(datum.part)")
        .then("part:N")
        .otherwise(alt.value("")),
    )
    return names


def savings(
    chart: ShareChart,
    width: Width = "container",
    height: float | None = None,
    text: float = TEXT,
    labels: bool = True,
) -> alt.LayerChart:
    """Of the whole machine, with the interval over blocks; a dashed line at 0."""
    rows = alt.Chart(alt.NamedData("savings"))
    zero = rows.mark_rule(strokeDash=[3, 2], color=themes.FRONT).encode(x=alt.datum(0))
    each = rows.encode(
        y=_along("bar", chart.saved, text, labels),
        tooltip=[
            alt.Tooltip(f"{name}:Q", title=title, format=",.4~g")
            for name, title in (("joules", "saved (J)"), ("low", "from"), ("high", "to"))
        ],
    )
    x = _energy("joules:Q", "Saved together", chart.unit, 3)
    size = 26 if text < TEXT else 110
    told = by_condition(chart.conditions, legend=False)
    points = each.mark_point(filled=True, size=size, opacity=1).encode(x=x, **told)
    return layered(
        [zero, *_interval(each.encode(color=told["color"]), text), points],
        width,
        height or STEP * len(chart.bars),
    )


def shares_and_savings(
    chart: ShareChart, width: float = 640, height: float | None = None, text: float = TEXT
) -> alt.HConcatChart:
    """The bars at the left, what was saved at the right."""
    tall = height or (PRINT_STEP if text < TEXT else STEP) * len(chart.bars)
    named = len(chart.bars) != len(chart.saved)
    inside = max(width - (20 if named else 4) * text, width / 2)  # less what is in the middle
    left, right = 0.66 * inside, 0.34 * inside
    parts: list[Any] = [
        share_bars(chart, left, tall, text), savings(chart, right, tall, text, labels=named)
    ]  # fmt: skip
    whole: alt.HConcatChart = alt.hconcat(*parts, spacing=2 * text).resolve_scale(
        y="independent", color="independent"
    )
    return whole


def _interval(rows: alt.Chart, text: float) -> list[Any]:
    """From `low` to `high`, with an end at both."""
    caps = rows.mark_tick(size=2.2 * text, thickness=text / 4)
    rule = rows.mark_rule(strokeWidth=text / 4).encode(x="low:Q", x2="high:Q")
    return [rule, *(caps.encode(x=f"{end}:Q") for end in ("low", "high"))]


def _along(
    field: str, names: Sequence[str], text: float, labels: bool = True, place: float = 0.5
) -> alt.Y:
    """Names in lines, around the middle of their bars. place: of marks, from a bar's upper end."""
    more = max(name.count("\n") for name in names)
    shown = alt.Axis(
        labelExpr="split(datum.value, '\\n')", labelLimit=0, labelOffset=-more * text,
        labels=labels, grid=False, ticks=False, domain=False,
    )  # fmt: skip
    scale = alt.Scale(domain=list(names))
    return alt.Y(f"{field}:N", title=None, sort=None, scale=scale, axis=shown, bandPosition=place)


def _energy(field: str, title: str, unit: str, ticks: int) -> alt.X:
    in_unit = f"format(datum.value / {ENERGY_UNITS[unit]:.0f}, ',.12~g')"
    axis = alt.Axis(labelExpr=in_unit, tickCount=ticks)
    return alt.X(field, title=f"{title} ({unit})", axis=axis)
