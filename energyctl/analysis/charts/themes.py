"""Colours, shapes, dashes and type of all charts, as Vega-Lite `config` dictionaries.

One device for each meaning. A condition has a colour and a point shape. A domain has a neutral tone
and, as a line, dashes. Parts of energy and phases have tints that no condition has. Each colour has
a contrast of at least 3:1 with white and with the dark theme's background. Distances between the
colours, as colour-blind readers and grey print have them, are tested (tests/analysis/
test_colours.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from energyctl.config.settings import ALONE

Theme = Literal["light", "dark", "paper"]
THEMES: tuple[Theme, ...] = ("light", "dark", "paper")
BACKGROUNDS = {"light": "#ffffff", "dark": "#16181d", "paper": "#ffffff"}

CONDITION_COLOURS = (
    "#0a82fa", "#be4696", "#a09600", "#506e32", "#c86e64", "#8246c8", "#00a03c", "#008ca0",
)  # fmt: skip
"""The first four differ by colour alone, however colours are seen; with their shapes all do."""
CONDITION_SHAPES = (
    "circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right",
    "triangle-left",
)  # fmt: skip

FAILED = "#e03131"
FRONT = "#8a8a8a"

PHASE_COLOURS = {
    "idle": "#8a8a8a", "context_held": "#75624c", "background_start": "#8f6980",
    "background_only": "#8f6980", "foreground": "#7099b4", "between_steps": "#8a8a8a",
    "step": "#5f7f96", "background_stop": "#8f6980", "cooldown": "#8a8a8a",
}  # fmt: skip
"""A phase is a light band with a line at its begin, and its words."""
PHASE_OPACITY = 0.16

SHARE_COLOURS = {
    "idle": "#848484", "context": "#75624c", "foreground": "#7099b4", "background": "#8f6980",
}  # fmt: skip
"""As the phases in which each is alone."""

_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
"""Liberation Sans is bundled with vl-convert and has the metrics of Arial and Helvetica."""
_SCREEN_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"


class Mark(NamedTuple):
    """How a condition is drawn. shape: a symbol of Vega."""

    colour: str
    shape: str


def condition_marks(conditions: Iterable[str]) -> dict[str, Mark]:
    """The mark of each of the conditions that are shown together: alone first, the rest by name.

    More than eight have colours of others, with another shape.
    """
    ordered = sorted({*conditions}, key=lambda name: (name != ALONE, name))
    colours, shapes = CONDITION_COLOURS, CONDITION_SHAPES
    return {
        name: Mark(colours[n % len(colours)], shapes[(n + n // len(colours)) % len(shapes)])
        for n, name in enumerate(ordered)
    }


INKS = {
    "light": ("#1b1f24", "#4a5260", "#e4e7eb", "#9aa3af"),
    "dark": ("#e8eaed", "#c3c8d0", "#33373f", "#6b7280"),
    "paper": ("#000000", "#333333", "#e0e0e0", "#666666"),
}
"""Of titles, labels, grid, axes."""
PRINT, SCREEN = 7.0, 12.0
"""Size of axis labels: in points, in pixels."""


def config(theme: Theme, in_print: bool | None = None) -> dict[str, Any]:
    """The `config` of a theme. in_print: in sizes of print, in points; None: paper alone is."""
    if in_print is None:
        in_print = theme == "paper"
    font, size = (_FONT, PRINT) if in_print else (_SCREEN_FONT, SCREEN)
    return _config(*INKS[theme], font, size, BACKGROUNDS[theme])


def _config(
    ink: str, soft: str, grid: str, line: str, font: str, size: float, background: str
) -> dict[str, Any]:
    """size: of axis labels, in pixels (in print a pixel is a point)."""
    small = size <= 8
    thin = 0.5 if small else 1.0
    axis = {
        "labelColor": soft, "labelFontSize": size, "titleColor": ink, "titleFontSize": size,
        "titleFontWeight": "normal", "titlePadding": 3 if small else 8, "labelPadding": 2,
        "gridColor": grid, "gridWidth": thin, "domainColor": line, "domainWidth": thin,
        "tickColor": line, "tickWidth": thin, "tickSize": 2.5 if small else 5,
    }  # fmt: skip
    legend = {
        "labelColor": soft, "labelFontSize": size, "titleColor": ink, "titleFontSize": size,
        "titleFontWeight": "normal", "symbolSize": 24 if small else 80, "orient": "bottom",
        "symbolStrokeWidth": 1.0 if small else 1.8, "rowPadding": 1,
        "symbolBaseFillColor": soft, "symbolBaseStrokeColor": soft, "offset": 4 if small else 10,
        "columnPadding": 5 if small else 12, "padding": 0, "titlePadding": 3,
        "labelOffset": 2 if small else 4, "direction": "horizontal",
        "layout": {"bottom": {"direction": "vertical", "anchor": "start", "margin": 2}},
    }  # fmt: skip
    title = {
        "color": ink, "fontSize": size + 1, "fontWeight": "normal", "anchor": "start",
        "frame": "group", "offset": 4 if small else 10, "subtitleColor": soft,
        "subtitleFontSize": size, "subtitlePadding": 2,
    }  # fmt: skip
    return {
        "background": background,
        "font": font,
        "padding": 1 if small else 5,
        "axis": axis,
        "axisY": {"minExtent": 22 if small else 44},
        "legend": legend,
        "title": title,
        "view": {"stroke": None},
        "line": {"strokeWidth": 0.8 if small else 1.4},
        "rule": {"strokeWidth": 0.7 if small else 1.2, "color": ink},
        "tick": {"color": ink, "opacity": 1},
        "point": {"size": 14 if small else 55, "strokeWidth": 0.7 if small else 1.4, "color": ink},
        "text": {"fontSize": size - 0.5 if small else size - 1, "color": soft},
        "concat": {"spacing": 5 if small else 14},
        "bar": {"continuousBandSize": 4, "stroke": background, "strokeWidth": 0.5},
    }
