"""The command ``compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from energyctl.cli import completers, options
from energyctl.errors import SettingsError
from energyctl.system.workspace import Workspace
from energyctl.text import json_text

if TYPE_CHECKING:
    from energyctl.analysis.compare import Groups, Study
    from energyctl.results.api import Run
    from energyctl.results.tables import Row


NO_CONTROL = 'whether the machine drifted over the campaign is not known: it has no "control"'
ATTRIBUTE = "what doing both together saves or costs, and what the load loses: energyctl attribute"


def _where(
    context: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> list[tuple[str, str]]:
    """``NAME=VALUE`` → (NAME, VALUE)."""
    pairs = [text.partition("=") for text in value]
    for name, sign, _ in pairs:
        if not sign or not name:
            raise click.BadParameter(f"{name!r}: write NAME=VALUE", context, parameter)
    return [(name, text) for name, _, text in pairs]


@click.command()
@click.argument("results", nargs=-1, metavar="A B | RESULTS…", shell_complete=completers.runs)
@click.option("--by", metavar="NAME", help="Make groups by this value, as background.")
@click.option("--base", metavar="VALUE", help="With --by: the group to compare with.")
@click.option(
    "--where",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_where,
    help="Take only runs with this value. Repeatable.",
)
@click.option(
    "--measure",
    "names",
    metavar="NAME",
    multiple=True,
    help="Compare this figure. Repeatable.",
)
@click.option("--per", metavar="NAME", help="Divide by this hyper-parameter, as epochs.")
@click.option(
    "--confidence",
    metavar="SHARE",
    type=click.FloatRange(0.5, 1.0, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Confidence of the intervals; p is held against 1 less it.",
)
@click.option(
    "--margin",
    metavar="PERCENT",
    callback=options.percentage,
    help="Say whether the difference is more than this, as 5%.",
)
@options.seed
@options.as_json
@click.option("--latex", "as_latex", is_flag=True, help="Print a booktabs table, for a column.")
@click.option("--wide", is_flag=True, help="With --latex: for the width of a page.")
@click.option("--methods", is_flag=True, help="Print a paragraph of methods for a paper.")
@click.pass_obj
def compare(
    workspace: Workspace,
    results: tuple[str, ...],
    by: str | None,
    base: str | None,
    where: list[tuple[str, str]],
    names: tuple[str, ...],
    per: str | None,
    confidence: float,
    margin: float | None,
    seed: int | None,
    as_json: bool,
    as_latex: bool,
    wide: bool,
    methods: bool,
) -> int:
    """Compare campaigns, or groups of runs, by statistics.

    It shows by how much they differ, with an interval, and what may be said. A and B are folders
    of results or result files. With --by, the groups are made of all RESULTS (default: the results
    folder): by condition, background (alone, or beside one), model, campaign, or any
    hyper-parameter. Runs of one training are compared with each other only: block by block where
    they stand in blocks. docs/compare.md says what each figure means.
    """

    if as_json + as_latex + methods > 1:
        raise click.UsageError("--json, --latex and --methods are outputs: choose one")
    if wide and not as_latex:
        raise click.UsageError("--wide goes with --latex")
    if by is None and len(results) != 2:
        raise click.UsageError("name two groups of results, A and B, or make them with --by NAME")
    if by is None and base is not None:
        raise click.UsageError("--base goes with --by; A is the base otherwise")
    from energyctl.analysis.comparing import library

    comparing = library()
    loaded = _Loaded(workspace)
    groups, rows, notes = _groups(comparing, loaded, results, by, base, where)
    measures = [comparing.check_measure(rows, name) for name in names] or [
        name
        for name in comparing.DEFAULT_MEASURES
        if any(row.get(name) is not None for row in rows) and not (per and name == "total_watts")
    ]
    if per is not None:
        whole, (rows, divided) = len(rows), comparing.divided(rows, measures, per)
        notes += [f"left out: {whole - len(rows)} without {per}"] if len(rows) < whole else []
        if groups is not None:
            for name, side in groups.rows.items():
                groups.rows[name] = comparing.divided(side, measures, per, f" of {name}")[0]
        measures = divided
    settings = comparing.CompareOptions(confidence, margin, seed or 0)
    if groups is None:
        study = comparing.correlate_rows(rows, by, measures, settings, notes)
    else:
        groups.notes += notes
        study = comparing.compare_groups(groups, measures, settings, by)
    if any(one.sample.design == "blocks" for one in study.comparisons):
        study.notes += loaded.drift()
        study.notes += [ATTRIBUTE] if by in comparing.OF_CONDITIONS else []
    if methods:
        click.echo(comparing.methods_text(study))
    elif as_json:
        click.echo(json_text(comparing.document(study)))
    else:
        _print(study, as_latex, wide)
    return int(bool(loaded.problems))


def _groups(
    comparing: Any,
    loaded: _Loaded,
    results: Sequence[str],
    by: str | None,
    base: str | None,
    where: Sequence[tuple[str, str]],
) -> tuple[Groups | None, list[Row], list[str]]:
    """The groups, None for a trend; all runs that are in question; notes on others of a trend."""
    if by is None:
        sides = [comparing.filtered(loaded.rows([name]), where) for name in results]
        a, b = (Path(name).name or name for name in results)
        groups = comparing.two_groups(sides[0], sides[1], (a, b))
        return groups, [row for side in groups.rows.values() for row in side], []
    rows = comparing.filtered(loaded.rows(results), where)
    groups = comparing.by_name(rows, by)
    if groups is None:
        if base is not None:
            why = f"{by} has too many values for groups: it is a trend"
            raise SettingsError(f"--base {base}: {why}")
        good, _, notes = comparing.usable(rows)
        return None, good, notes
    every = [row for side in groups.rows.values() for row in side]
    return comparing.based_on(groups, base, by), every, []


class _Loaded:
    """The runs that were read, with lines on those that could not be."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.runs: list[Run] = []
        self.problems: list[str] = []

    def rows(self, names: Sequence[str]) -> list[Row]:
        from energyctl.cli.result_arguments import load_runs

        runs = load_runs(self._workspace, names)
        self.runs += runs
        self.problems += runs.problems
        return [run.row for run in runs]

    def drift(self) -> list[str]:
        """What the controls of these campaigns say of their machines."""
        from energyctl.analysis.report.sources import drift_of

        return drift_of(self.runs) or [NO_CONTROL]


def _print(study: Study, as_latex: bool, wide: bool) -> None:
    if as_latex:
        from energyctl.cli.output.compare_latex import latex

        click.echo(latex(study, wide=wide))
    else:
        from energyctl.cli.output.compare import show
        from energyctl.cli.output.console import make_console

        show(study, make_console())
