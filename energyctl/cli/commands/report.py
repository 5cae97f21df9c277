"""The command ``report``."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from energyctl.cli import options
from energyctl.cli.out_files import refuse_existing
from energyctl.cli.output.lines import show
from energyctl.cli.progress import ProgressBar
from energyctl.errors import MachineError, SettingsError
from energyctl.system.workspace import Workspace
from energyctl.text import count

if TYPE_CHECKING:
    from energyctl.analysis.footprint import Footprint
    from energyctl.results.api import Runs

LANGUAGES = ("en", "zh")


def _price(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[float, str] | None:
    """``0.30EUR`` → (0.3, "EUR")."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([^\d\s.,-]{0,8})", value.strip())
    if found is None:
        raise click.BadParameter(f"{value!r} is no price of a kWh; write it as 0.30 or 0.30EUR")
    return float(found[1]), found[2]


@click.command()
@options.result_files
@options.results
@click.option("--html", metavar="FILE", help="Write one page that needs nothing beside it.")
@click.option("--title", metavar="TEXT", help="Give the page this title, not the campaign's name.")
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    help="Write the page in English or Chinese (default: by the locale).",
)
@click.option(
    "--co2",
    metavar="GRAMS",
    type=options.FiniteRange(0, 1e6),
    help="Say what the energy is in CO2e, at so many grams a kWh; it wins over the settings.",
)
@click.option(
    "--price",
    metavar="PRICE",
    callback=_price,
    help="Say what the energy costs, at so much a kWh, as 0.30 or 0.30EUR; it wins likewise.",
)
@options.force
@click.pass_obj
def report(
    workspace: Workspace,
    results: tuple[str, ...],
    folder: str | None,
    html: str | None,
    title: str | None,
    lang: str | None,
    co2: float | None,
    price: tuple[float, str] | None,
    force: bool,
) -> int:
    """Show what a campaign did, here or as an HTML page.

    It shows warnings, energies, power over time, and values against energy. RESULTS are result
    files or folders of them (default: the results folder). docs/report.md says what the page
    shows.
    """
    from energyctl.analysis.footprint import footprints, sentence
    from energyctl.cli.result_arguments import load_runs

    place = None if html is None else _place(workspace, html, force)
    for name, value in (("--title", title), ("--lang", lang)):
        if value is not None and html is None:
            raise click.UsageError(f"{name} goes with --html")
    runs = load_runs(workspace, results, folder)
    if not runs:
        raise SettingsError("no result could be read: nothing to report")
    footprint = footprints(runs, co2, price)
    if place is None:
        from energyctl.analysis.report.sources import drift_of
        from energyctl.cli.output.console import make_console
        from energyctl.cli.output.ending import page_hint, show_report

        given = [*results, *([] if folder is None else ["--results", folder])]
        pairs = (
            [f"each pair: {shlex.join(['energyctl', 'attribute', *given])}"] if runs.pairs else []
        )
        hint = page_hint(shlex.join(["energyctl", "report", *given]))
        show_report(make_console(), runs, [*drift_of(runs), *pairs, hint])
    else:
        _write(runs, place, title, lang, footprint)
    show(*map(sentence, footprint))
    return int(bool(runs.problems))


def _place(workspace: Workspace, name: str, force: bool) -> Path:
    """Where the page goes. Raises UsageError."""
    place = workspace.given(name)
    if place.is_dir():
        raise click.UsageError(f"--html {name} is a folder: name a file, as {name}/report.html")
    if place.exists() and not place.is_file():
        raise click.UsageError(f"--html {name} is no regular file")
    refuse_existing(place, force)
    return place


def _write(
    runs: Runs,
    place: Path,
    title: str | None,
    lang: str | None,
    footprint: Sequence[Footprint],
) -> None:
    from energyctl.analysis.report.languages import language_of
    from energyctl.analysis.report.whole import whole_page
    from energyctl.results.table_writers import staging

    with staging() as staged:
        fresh = staged.begin(place)
        with ProgressBar("drawing runs") as steps:
            language = lang or language_of(os.environ)
            text = whole_page(runs, title, steps, footprint=footprint, language=language)
        try:
            fresh.write_text(text, encoding="utf-8")
        except OSError as error:
            raise MachineError(f"{place} cannot be written: {error.strerror}") from error
        staged.commit()
    size = place.stat().st_size / 1e6
    show(f"wrote {place}: {count(len(runs), 'run')}, {size:.1f} MB")
