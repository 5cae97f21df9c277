"""The command ``export``."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from energyctl.cli import options
from energyctl.cli.out_files import refuse_existing
from energyctl.cli.output.lines import say, show
from energyctl.cli.progress import ProgressBar
from energyctl.errors import SettingsError
from energyctl.system.workspace import Workspace
from energyctl.text import count

if TYPE_CHECKING:
    from energyctl.results.export import Target

TABLES = (
    *("runs", "domains", "phases", "jobs", "work", "iterations", "series", "epochs"),
    *("pairs", "shares"),
)


@click.command()
@options.result_files
@options.results
@click.option(
    "--out",
    required=True,
    metavar="FILE|DIR",
    help="Write to a file, into a folder, or with - to standard output.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "parquet", "summary"]),
    help="Format, if not by the ending of --out; summary is the wide summary.csv.",
)
@click.option(
    "--table",
    "names",
    multiple=True,
    metavar="TABLE",
    type=click.Choice([*TABLES, "all"]),
    help=f"Write this table: {', '.join(TABLES)}, or all. Repeatable. Without it: runs to a file, "
    "all to a folder.",
)
@options.force
@click.pass_obj
def export(
    workspace: Workspace,
    results: tuple[str, ...],
    folder: str | None,
    out: str,
    kind: str | None,
    names: tuple[str, ...],
    force: bool,
) -> int:
    """Write results as tables, CSV or Parquet.

    They have one row per run, per domain, phase, job or iteration. RESULTS are result files or
    folders of them (default: the results folder). docs/tables.md says what each column means.
    """
    from energyctl.cli.result_arguments import result_paths
    from energyctl.results import export as exporting

    paths = result_paths(workspace, results, folder)
    form = _format(kind, out)
    targets = _targets(None if out == "-" else workspace.given(out), form, names, force)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="")
    with ProgressBar("reading results") as steps:
        done = exporting.export(paths, targets, form, sys.stdout, say, steps)
    for target in targets:
        if target.place is not None:
            rows, columns = done.written[target.table]
            show(f"wrote {target.place}: {count(rows, 'row')}, {count(columns, 'column')}")
    if done.problems:
        say(f"{count(len(done.problems), 'problem')}, named above")
    return int(bool(done.problems))


def _format(kind: str | None, out: str) -> Any:
    if kind == "parquet" and out == "-":
        raise click.UsageError("Parquet cannot go to standard output: --out FILE.parquet")
    return kind or ("parquet" if out.endswith(".parquet") else "csv")


def _targets(out: Path | None, kind: str, names: Sequence[str], force: bool) -> list[Target]:
    """What goes where; folders are made. Raises UsageError."""
    from energyctl.results.export import Target

    if out is not None and out.exists() and not out.is_file() and not out.is_dir():
        raise click.UsageError(f"{out} is no regular file; --out - is standard output")
    one_file = out is None or (not out.is_dir() and out.suffix in (".csv", ".parquet"))
    folder = None if one_file else out
    if kind == "summary":
        if set(names) - {"runs"}:
            raise click.UsageError("the format summary is a table of runs: leave --table out")
        chosen: tuple[str, ...] = ("runs",)
    else:
        default = TABLES if folder else ("runs",)
        chosen = TABLES if "all" in names else tuple(dict.fromkeys(names)) or default
    if folder is None:
        if len(chosen) > 1:
            raise click.UsageError(f"{len(chosen)} tables need a folder: --out DIR")
        targets = [Target(chosen[0], out)]
    else:
        ending = "parquet" if kind == "parquet" else "csv"
        targets = [
            Target(n, folder / f"{'summary' if kind == 'summary' else n}.{ending}") for n in chosen
        ]
    for target in targets:
        if target.place is not None:
            refuse_existing(target.place, force)
    if folder is not None:
        _make(folder)
    return targets


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{folder} cannot be made: {error.strerror}") from error
