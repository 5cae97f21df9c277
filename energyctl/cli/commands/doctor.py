"""The command ``doctor``."""

from __future__ import annotations

from pathlib import Path

import click

from energyctl.cli import options
from energyctl.cli.output.lines import say
from energyctl.system.workspace import Workspace
from energyctl.text import json_text


@click.command()
@options.as_json
@click.option("--all", "everything", is_flag=True, help="Show all details, too.")
@click.option("--udev", is_flag=True, help="Print a udev rule that lets a group read CPU energy.")
@click.option("--accept", is_flag=True, help="Try a GPU's energy counter; takes ten minutes.")
@click.option(
    "--gpu",
    metavar="N",
    type=click.IntRange(min=0),
    help="With --accept: try this GPU, not the first.",
)
@click.option(
    "--wall",
    metavar="CSV",
    help="With --accept: what a power meter at the wall records meanwhile; nine minutes more.",
)
@click.pass_obj
def doctor(
    workspace: Workspace,
    as_json: bool,
    everything: bool,
    udev: bool,
    accept: bool,
    gpu: int | None,
    wall: str | None,
) -> int:
    """Show what can be measured and controlled here.

    It also says how well, and how to get what cannot be had yet.
    """
    if not accept and (gpu is not None or wall is not None):
        raise click.UsageError(f"--{'gpu' if wall is None else 'wall'} is of --accept")
    if udev:
        return _udev_rule()
    if accept:
        return _acceptance(gpu, None if wall is None else Path(wall), as_json)
    from energyctl.campaign.doctor import examine
    from energyctl.cli.output.console import make_console
    from energyctl.cli.output.doctor import print_screen
    from energyctl.cli.output.status import print_examination

    examination = examine(workspace)
    if as_json:
        click.echo(json_text(examination))
        return 0
    console = make_console()
    print_screen(examination, console)
    if everything:
        print_examination(examination, console)
    else:
        console.print_line("details     energyctl doctor --all")
    return 0


def _acceptance(gpu: int | None, wall: Path | None, as_json: bool) -> int:
    """0 where the GPU is accepted, and the wall meter agrees; 1 where a step failed."""
    from energyctl.campaign.acceptance import accept
    from energyctl.cli.output import acceptance
    from energyctl.meters.acceptance.record import acceptance_of

    if as_json:
        document = accept(gpu, wall=wall)
        click.echo(json_text(document))
    else:
        say(acceptance.BEGIN)
        document = accept(gpu, acceptance.show_finding, wall=wall)
        acceptance.show_record(document, acceptance_of(document["gpu"]).claim)
    agreed = document["wall"] is None or document["wall"]["passed"]
    return 0 if document["verdict"] == "accepted" and agreed else 1


def _udev_rule() -> int:
    """The rule alone on standard output, to be written into a file."""
    from energyctl.meters.permissions import UDEV_RULE

    click.echo(UDEV_RULE, nl=False)
    say("its comments say how to install it, and what it opens up")
    return 0
