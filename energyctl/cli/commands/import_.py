"""The command ``import``: campaigns of the older tool become results."""

from __future__ import annotations

from pathlib import Path

import click

from energyctl.cli.progress import Steps


@click.command("import")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...")
@click.option("--results", metavar="DIR", help="Another results folder.")
@click.pass_obj
def import_command(root: Path, folders: tuple[str, ...], results: str | None) -> int:
    """Make results of the runs in each FOLDER, a campaign of the older tool.

    One result file per old run; importing twice changes nothing. Energies are computed anew from
    the recordings, with their uncertainty; the old figures stay beside them (docs/import.md).
    """
    from energyctl import system as machine
    from energyctl.cli.output.import_ import import_table
    from energyctl.cli.output.live import make_console
    from energyctl.results import importer as imports
    from energyctl.results.folder import ResultsFolder
    from energyctl.system.workspace import Workspace

    workspace = Workspace(root)
    place = workspace.results if results is None else workspace.given(results)
    folder = ResultsFolder(place, machine.invoking_user())
    done = []
    with Steps("importing runs") as steps:
        for one in imports.import_folders([Path(name) for name in folders], folder, steps):
            done.append(one)
            if one.problem:
                click.echo(f"energyctl: {one.problem}", err=True)
    console = make_console()
    rows = [(str(one.state), one.result) for one in done if one.result is not None]
    if rows:
        console.print(import_table(rows))
    count = {state: sum(one.state == state for one in done) for state in ("imported", "known")}
    series = [one.series for one in done]
    console.print(
        f"{count['imported']} imported, {count['known']} imported before, "
        f"{sum(one.problem is not None for one in done)} with problems; {sum(series)} files of "
        f"samples written; results: {place}",
        markup=False,
        soft_wrap=True,
    )
    return int(any(one.problem for one in done))


COMMANDS = (import_command,)
