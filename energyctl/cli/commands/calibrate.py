"""The command ``calibrate``."""

from __future__ import annotations

import time

import click
from click.core import ParameterSource

from energyctl.cli import completers, options
from energyctl.cli.output.lines import say
from energyctl.system.workspace import Workspace
from energyctl.text import json_text

OF_TWINS = {"gpu": "--gpu", "seconds": "--seconds"}
OF_WALL = {"results": "RESULTS", "folder": "--results"}
"""What goes with one of the two."""


@click.command()
@options.result_files
@options.results
@options.as_json
@click.option("--twins", is_flag=True, help="Divide the energy between two identical loads.")
@click.option(
    "--against",
    metavar="NAME",
    shell_complete=completers.node_meters,
    help="Fit the power of the meter NAME, as wall, to that of the domains in the total.",
)
@click.option("--gpu", metavar="N|UUID", help="With --twins: calibrate this GPU, not the first.")
@click.option(
    "--seconds",
    type=options.FiniteRange(5, 600),
    default=20.0,
    show_default=True,
    help="With --twins: how long each of the eight parts with load takes.",
)
@click.pass_context
def calibrate(
    context: click.Context,
    results: tuple[str, ...],
    folder: str | None,
    as_json: bool,
    twins: bool,
    against: str | None,
    gpu: str | None,
    seconds: float,
) -> int:
    """Measure how well energy is divided, or what the wall adds to it.

    With --twins, two identical loads on a GPU must each get half; what they get is kept for this
    GPU model and driver. With --against NAME, the phases of runs that have been done (RESULTS, or
    the results folder) tell what fans, board and conversion take beside the domains in the total;
    it is kept for the machine, and reports of its runs then show their energy at the wall,
    estimated.
    """
    if twins == (against is not None):
        raise click.UsageError(
            "say what to calibrate: --twins (how far the division of a GPU's energy is off) or "
            "--against NAME (what a meter at the wall sees beside the domains in the total)"
        )
    foreign, other = (OF_WALL, "--against") if twins else (OF_TWINS, "--twins")
    for name, shown in foreign.items():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{shown} goes with {other}")
    if against is not None:
        return _against(context.obj, against, results, folder, as_json)
    return _twins(gpu, seconds, as_json)


def _against(
    workspace: Workspace, meter: str, results: tuple[str, ...], folder: str | None, as_json: bool
) -> int:
    from energyctl.analysis.wall_calibration import calibrate_wall
    from energyctl.cli.output import wall as output
    from energyctl.cli.result_arguments import load_runs

    document = calibrate_wall(load_runs(workspace, results, folder), meter, time.time())
    if as_json:
        click.echo(json_text(document))
    else:
        output.show_calibrations(document)
    return 0 if all(one.get("file") for one in document["machines"]) else 3


def _twins(gpu: str | None, seconds: float, as_json: bool) -> int:
    from energyctl.campaign.twins import calibrate_twins
    from energyctl.cli.output import twins as output
    from energyctl.meters.twins.course import Schedule

    which = int(gpu) if gpu is not None and gpu.isdecimal() else gpu
    schedule = Schedule(seconds=seconds)
    if as_json:
        document = calibrate_twins(which, schedule=schedule)
        click.echo(json_text(document))
    else:
        say(output.begin(schedule))
        document = calibrate_twins(which, say, schedule)
        output.show_record(document)
    return 0 if document["file"] else 3
