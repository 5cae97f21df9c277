"""The command ``calibrate``."""

from __future__ import annotations

import click

from energyctl.cli import options
from energyctl.cli.output.lines import say
from energyctl.text import json_text


@click.command()
@options.as_json
@click.option("--twins", is_flag=True, help="Divide the energy between two identical loads.")
@click.option("--gpu", metavar="N|UUID", help="Calibrate this GPU, not the first.")
@click.option(
    "--seconds",
    type=options.FiniteRange(5, 600),
    default=20.0,
    show_default=True,
    help="How long each of the eight parts with load takes.",
)
def calibrate(as_json: bool, twins: bool, gpu: str | None, seconds: float) -> int:
    """Measure on this GPU how well energy is divided between trainings.

    Two identical loads must each get half; what they get is kept for this GPU model and driver.
    """
    if not twins:
        raise click.UsageError(
            "say what to calibrate: --twins (how far the division of a GPU's energy is off)"
        )
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
