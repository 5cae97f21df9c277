"""How charts tell conditions and domains apart: the same channels, with one legend, everywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from energyctl.analysis.charts import themes
from energyctl.analysis.charts.altair import TEXT, Width, alt, columns
from energyctl.results import domain_marks

LABEL = 34
"""Characters of a line of a legend where the width is not known."""


def by_condition(
    conditions: Iterable[str], width: Width = "container", text: float = TEXT, legend: bool = True
) -> dict[str, Any]:
    """Colour and shape by `condition`. conditions: all that are shown together, in any order."""
    marks = themes.condition_marks(conditions)
    shown = _legend(list(marks), width, text) if legend else None
    colours, shapes = (list(of) for of in zip(*marks.values(), strict=True)) if marks else ([], [])
    field, domain = "condition:N", list(marks)
    return {
        "color": alt.Color(field, scale=alt.Scale(domain=domain, range=colours), legend=shown),
        "shape": alt.Shape(field, scale=alt.Scale(domain=domain, range=shapes), legend=shown),
    }


def _legend(names: Sequence[str], width: Width, text: float) -> alt.Legend:
    """Of names in lines, where they are longer than the plot is wide."""
    letters = LABEL if isinstance(width, str) else max(12, int(width / text) - 6)
    broken = {name: lines(name, letters) for name in names}
    longest = [line for of in broken.values() for line in of]
    wrapped = {name: of for name, of in broken.items() if len(of) > 1}
    shown = f"{json.dumps(wrapped)}[datum.label] || datum.label"
    more: dict[str, Any] = {"labelExpr": shown} if wrapped else {}
    return alt.Legend(title=None, columns=columns(longest, width, text), labelLimit=0, **more)


def by_domain(
    domains: Sequence[str],
    width: Width = "container",
    text: float = TEXT,
    shown: Sequence[str] | None = None,
    estimated: Sequence[str] = (),
) -> dict[str, Any]:
    """Tone and dashes of lines by `domain`. shown: those in the legend, if not all; empty: no
    legend. estimated: those that it names as estimates."""
    names = domains if shown is None else shown
    legend = (
        alt.Legend(
            title=None, symbolType="stroke",
            columns=columns(names, width, text), values=list(names), **_naming(estimated),
        )
        if names
        else None
    )  # fmt: skip
    tones, dashes = domain_marks.colours_of(domains), domain_marks.dashes_of(domains)
    field, domain = "domain:N", list(domains)
    return {
        "color": alt.Color(field, scale=alt.Scale(domain=domain, range=tones), legend=legend),
        "strokeDash": alt.StrokeDash(
            field, scale=alt.Scale(domain=domain, range=dashes), legend=legend
        ),
    }


def _naming(estimated: Sequence[str]) -> dict[str, Any]:
    if not estimated:
        return {}
    measured = f"indexof({json.dumps(list(estimated))}, datum.label) < 0"
    return {"labelExpr": f"{measured} ? datum.label : datum.label + ' (estimate)'"}


def lines(text: str, letters: int) -> list[str]:
    """Broken at spaces, and behind a slash or an underscore; what is longer within itself."""
    broken, line = list[str](), ""
    pieces = re.findall(r"[^\s/_]*(?:[/_]|\s+|$)", text)
    for piece in (part for one in pieces for part in re.findall(f".{{1,{letters}}}", one) or [one]):
        if line and len(line + piece.rstrip()) > letters:
            broken.append(line.rstrip())
            line = ""
        line += piece
    return [*broken, line.rstrip()] if line or not broken else broken
