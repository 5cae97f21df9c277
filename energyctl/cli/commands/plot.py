"""The command ``plot``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from energyctl.cli import options
from energyctl.cli.out_files import refuse_existing
from energyctl.cli.output.lines import show
from energyctl.system.workspace import Workspace

if TYPE_CHECKING:
    from energyctl.analysis.charts import Theme

KINDS = (
    "power", "overview", "conditions", "reach", "energy", "effect", "tradeoff", "pareto",
    "presence", "comparison", "shares",
)  # fmt: skip
THEMES = ("paper", "light", "dark")
ENDINGS = (".svg", ".pdf", ".png")
WIDTHS = {"single": 85.0, "double": 180.0}
MILLIMETRES = {"mm": 1.0, "cm": 10.0, "in": 25.4, "pt": 25.4 / 72}
POINTS_PER_MM = 72 / 25.4


def _length(_: click.Context, option: click.Parameter, given: str | None) -> float | None:
    """Points, from `85mm`, `8.5cm`, `3.3in`, `240pt`, `single` or `double`. BadParameter."""
    if given is None:
        return None
    text = given.strip().lower()
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)\s*(mm|cm|in|pt)", text)
    size = float(match[1]) * MILLIMETRES[match[2]] if match else WIDTHS.get(text)
    if size is None:
        raise click.BadParameter(f"{given!r} is no length: 85mm, 3.3in, 240pt, single or double")
    if not 5 <= size <= 2000:
        raise click.BadParameter(f"{given!r} is no size of a figure: from 5 mm to 2 m")
    return size * POINTS_PER_MM


@click.command()
@options.result_files
@options.results
@click.option(
    "--out", metavar="FILE", help="Write the figure to FILE.svg, .pdf or .png, if not KIND.pdf."
)
@click.option(
    "--kind",
    metavar="KIND",
    type=click.Choice(KINDS),
    help=f"What it shows: {', '.join(KINDS[:-1])} or {KINDS[-1]}. "
    "Without it: power of one run, energy of several.",
)
@click.option("--x", metavar="NAME", help="For effect and tradeoff: the factor, as batch_size.")
@click.option("--y", metavar="NAME", help="For effect, pareto and reach: the metric.")
@click.option(
    "--maximise/--minimise",
    default=None,
    help="Whether more of --y is better, if its name does not tell.",
)
@click.option("--by", metavar="NAME", help="For comparison: groups by this, if not condition.")
@click.option("--base", metavar="VALUE", help="For comparison: the group to compare with.")
@click.option("--measure", metavar="NAME", help="For comparison: this figure, if not the energy.")
@click.option(
    "--margin",
    metavar="PERCENT",
    callback=options.percentage,
    help="For comparison: draw this margin as a band, as 5%.",
)
@click.option(
    "--width",
    metavar="LENGTH",
    callback=_length,
    default="single",
    show_default=True,
    help="Width of the figure: single (85mm), double (180mm), or a length as 3.3in.",
)
@click.option(
    "--height", metavar="LENGTH", callback=_length, help="Height of the plot, or its first panel."
)
@click.option(
    "--theme",
    type=click.Choice(THEMES),
    default="paper",
    show_default=True,
    help="Colours of the figure.",
)
@click.option(
    "--dpi",
    metavar="N",
    type=click.IntRange(36, 1200),
    default=300,
    show_default=True,
    help="Resolution of a PNG, in dots per inch.",
)
@options.force
@click.pass_obj
def plot(
    workspace: Workspace,
    results: tuple[str, ...],
    folder: str | None,
    out: str | None,
    kind: str | None,
    x: str | None,
    y: str | None,
    maximise: bool | None,
    by: str | None,
    base: str | None,
    measure: str | None,
    margin: float | None,
    width: float,
    height: float | None,
    theme: Theme,
    dpi: int,
    force: bool,
) -> int:
    """Draw one figure for a paper.

    It has the width of a column, and is written as SVG, PDF or PNG. RESULTS are result files,
    experiment ids, or folders of results (default: the results folder).
    """
    from energyctl.cli.result_arguments import load_runs

    of_comparison = {"--by": by, "--base": base, "--measure": measure, "--margin": margin}
    for name, value in of_comparison.items():
        if value is not None and kind != "comparison":
            raise click.UsageError(f"{name} goes with --kind comparison")
    place = None if out is None else _place(workspace.given(out), force)
    runs = load_runs(workspace, results, folder)
    if not runs:
        raise click.UsageError("no result could be read: nothing was drawn")
    from energyctl.analysis.charts import figure_files, plots

    chosen = kind or ("power" if len(runs) == 1 else "energy")
    place = place or _place(workspace.given(f"{chosen}.pdf"), force)
    wanted = plots.PlotOptions(x, y, maximise, height, by or "condition", base, measure, margin)
    drawing = plots.KINDS[chosen](runs, wanted)
    form = figure_files.form_of(place)
    figure = figure_files.figure(drawing.chart, drawing.rows, form, width, theme, dpi)
    figure_files.save(place, figure)
    show(f"wrote {place}: {chosen}, {width / POINTS_PER_MM:.0f} mm wide")
    return int(bool(runs.problems))


def _place(place: Path, force: bool) -> Path:
    """Where the figure goes. Raises UsageError."""
    if place.suffix.lower() not in ENDINGS:
        raise click.UsageError(f"--out {place.name}: a figure ends in {', '.join(ENDINGS)}")
    refuse_existing(place, force)
    return place
