"""Colours and type of all charts, as Vega-Lite `config` dictionaries.

Colours of domains, modes and phases stand in the charts themselves: each has a contrast of at least
3:1 with white and with the dark theme's background, and the first of each kind are those of Okabe
and Ito (Color Universal Design, 2008), which colour-blind readers tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

Theme = Literal["light", "dark", "paper"]
THEMES: tuple[Theme, ...] = ("light", "dark", "paper")

KINDS = ("gpu", "cpu", "dram", "other")
COLOURS = {
    "gpu": ("#0072b2", "#2a93d5", "#6a6fd8", "#00879b", "#8a5fc7", "#4f7fb8", "#3f9aa8", "#9a7fd0"),
    "cpu": ("#d55e00", "#b8801a", "#c44e52", "#a8762f"),
    "dram": ("#00906a", "#5f9339", "#2f9d8f", "#7f8f2a"),
    "other": ("#b8609a", "#8a8a8a", "#a0785a", "#7a86a0"),
}
BACKGROUNDS = {"light": "#ffffff", "dark": "#16181d", "paper": "#ffffff"}

MODES = ("default", "mutation", "grid", "parallel", "not recorded")
MODE_COLOURS = ("#7a86a0", "#0072b2", "#00906a", "#d55e00", "#8a8a8a")
MODE_SHAPES = ("square", "circle", "cross", "diamond", "triangle-up")
CONDITION_COLOURS = (
    "#0072b2", "#d55e00", "#00906a", "#b8609a", "#b8801a", "#6a6fd8", "#7f8f2a", "#c44e52",
)  # fmt: skip
"""Of groups that are compared, the base's first."""
FAILED = "#d6336c"
FRONT = "#8a8a8a"

PHASE_COLOURS = {
    "idle": "#8a8a8a", "context_held": "#7f8f2a", "background_start": "#b8801a",
    "background_only": "#b8609a", "foreground": "#0072b2", "between_steps": "#8a8a8a",
    "step": "#7a86a0", "background_stop": "#8a8a8a", "cooldown": "#8a8a8a",
}  # fmt: skip
PHASE_OPACITY = 0.13

SHARE_COLOURS = {
    "idle": "#8a8a8a", "context": "#7f8f2a", "foreground": "#0072b2", "background": "#b8609a",
}  # fmt: skip
"""As the phases in which each is alone."""

_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
"""Liberation Sans is bundled with vl-convert and has the metrics of Arial and Helvetica."""
_SCREEN_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"


def kind_of(domain: str) -> str:
    """Of :data:`KINDS`, by the domain's name: `gpu-0`, `package-1`, `dram`, `psys` …"""
    base = domain.partition("-")[0]
    if domain.endswith("-mmio"):
        return "other"
    return {"gpu": "gpu", "package": "cpu", "cpu": "cpu", "dram": "dram"}.get(base, "other")


def colours_of(domains: Sequence[str]) -> list[str]:
    """A colour for each: by its kind and number, the same in every chart."""
    others: dict[str, int] = {}
    colours = []
    for domain in domains:
        kind, number = kind_of(domain), domain.rpartition("-")[2]
        if kind == "other":
            place = others.setdefault(domain, len(others))
        else:
            place = int(number) if number.isdigit() else 0
        colours.append(COLOURS[kind][place % len(COLOURS[kind])])
    return colours


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
        "bar": {"continuousBandSize": 4},
    }
