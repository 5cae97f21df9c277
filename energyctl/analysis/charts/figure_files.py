"""A chart and its rows → a figure for print: SVG, PDF or PNG, by vl-convert, without network.

Lengths are in points (1/72 inch), the unit of the specification; a PDF's are points, too.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from energyctl.errors import MachineError, SettingsError
from energyctl.results.table_writers import staging
from energyctl.results.tables import Row
from energyctl.system.dependencies import extra_install

if TYPE_CHECKING:
    from energyctl.analysis.charts import Theme

Form = Literal["svg", "pdf", "png"]
FORMS: tuple[Form, ...] = ("svg", "pdf", "png")

VEGA_LITE = "6.4"
"""The version whose schema Altair 6 writes; vl-convert brings it along."""

POINTS_PER_MM = 72 / 25.4
DPI = 300
TRIES = 4

Chart = Callable[[float], Any]
"""Width of the plot inside its axes → the chart: so that a figure gets the width asked for."""


def form_of(place: Path) -> Form:
    """By the ending. Raises SettingsError."""
    for form in FORMS:
        if place.suffix.lower() == f".{form}":
            return form
    raise SettingsError(f"{place.name}: a figure ends in .svg, .pdf or .png")


def figure(
    chart: Chart,
    rows: Mapping[str, Sequence[Row]],
    form: Form,
    width_points: float,
    theme: Theme = "paper",
    dpi: int = DPI,
) -> bytes:
    """The figure, *width_points* wide in all: axes, labels and legends included.

    Raises SettingsError where vl-convert is not installed, or the width is too small to draw in.
    """
    from energyctl.analysis.charts import config

    convert = converter("figures need")
    specification = _fitted(convert, chart, rows, width_points, config(theme, in_print=True))
    try:
        if form == "svg":
            return _svg(convert, specification).encode()
        if form == "pdf":
            return _ordered(convert.vegalite_to_pdf(specification, vl_version=VEGA_LITE))
        return bytes(convert.vegalite_to_png(specification, vl_version=VEGA_LITE, ppi=float(dpi)))
    except ValueError as error:
        raise MachineError(f"the figure cannot be drawn: {error}") from error


def save(path: Path, content: bytes) -> None:
    """Writes it whole or not at all. Raises SettingsError, MachineError."""
    with staging() as staged:
        place = staged.begin(path)
        try:
            place.write_bytes(content)
        except OSError as error:
            raise MachineError(f"{path} cannot be written: {error.strerror}") from error
        staged.commit()


def _fitted(
    convert: Any,
    chart: Chart,
    rows: Mapping[str, Sequence[Row]],
    width_points: float,
    config: dict[str, Any],
) -> dict[str, Any]:
    """The specification whose figure is as wide as asked for, to a point.

    What stands beside the plot depends on the data, and partly on the plot's width.
    """
    inside = width_points * 0.85
    for _ in range(TRIES):
        specification = filled(chart(inside), rows)
        specification["config"] = config
        over = _width(_svg(convert, specification)) - width_points
        if abs(over) < 0.5:
            break
        inside -= over
        if inside < width_points / 5:
            raise SettingsError(
                f"{width_points / POINTS_PER_MM:.0f} mm is too narrow for this figure: --width"
            )
    return specification


def filled(chart: Any, rows: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """The chart's specification with its data in it."""
    specification: dict[str, Any] = chart.to_dict()
    own = specification.get("datasets", {})
    specification["datasets"] = {**own, **{name: list(of) for name, of in rows.items()}}
    return specification


def _svg(convert: Any, specification: dict[str, Any]) -> str:
    # No base URL is allowed: nothing is fetched, whatever a label says.
    return str(convert.vegalite_to_svg(specification, vl_version=VEGA_LITE, allowed_base_urls=[]))


def _ordered(pdf: bytes) -> bytes:
    """The same PDF with the entries of each resource dictionary by name.

    The converter writes them in the order of a hash table, another one each time. No place moves:
    the lines of a dictionary are as long in any order.
    """

    def ordered(entries: re.Match[bytes]) -> bytes:
        return entries[1] + b"".join(sorted(entries[2].splitlines(keepends=True)))

    return re.sub(rb"(<<\n)((?: +/\w+ \d+ 0 R\n)+)", ordered, pdf)


def _width(svg: str) -> float:
    width = re.search(r'<svg[^>]* width="([\d.]+)"', svg)
    return float(width[1]) if width else 0.0


def converter(need: str) -> Any:
    """vl-convert. need: who needs it, as the SettingsError says where it is not installed."""
    try:
        return importlib.import_module("vl_convert")
    except ImportError as error:
        raise SettingsError(f"{need} vl-convert: {extra_install('report')}") from error
