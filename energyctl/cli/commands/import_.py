"""The command ``import``."""

from __future__ import annotations

from pathlib import Path

import click

from energyctl.cli import options
from energyctl.cli.output.lines import say
from energyctl.cli.progress import ProgressBar
from energyctl.system.workspace import Workspace


@click.command("import")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...")
@options.results
@click.pass_obj
def import_(workspace: Workspace, folders: tuple[str, ...], folder: str | None) -> int:
    """Make results of campaigns of the older tool.

    Each FOLDER is such a campaign. One result file per old run; importing twice changes nothing.
    Energies are computed anew from the recordings, with their uncertainty; the old figures stay
    beside them (docs/import.md).
    """
    from energyctl.cli.output.console import make_console
    from energyctl.cli.output.import_ import import_table
    from energyctl.cli.result_arguments import results_folder
    from energyctl.results.importer.folders import import_folders

    results = results_folder(workspace, folder)
    done = []
    with ProgressBar("importing runs") as steps:
        for one in import_folders([Path(name) for name in folders], results, steps):
            done.append(one)
            if one.problem:
                say(one.problem)
    console = make_console()
    rows = [(str(one.state), one.result) for one in done if one.result is not None]
    if rows:
        console.print(import_table(rows))
    states, problems = [one.state for one in done], [one for one in done if one.problem]
    console.print_line(
        f"{states.count('imported')} imported, {states.count('known')} imported before, "
        f"{len(problems)} with problems; {sum(one.series for one in done)} files of "
        f"samples written; results: {results.root}",
    )
    return int(bool(problems))
