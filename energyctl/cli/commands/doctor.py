"""The command ``doctor``."""

from __future__ import annotations

import click

from energyctl.cli import options
from energyctl.cli.problems import say
from energyctl.text import json_text


@click.command()
@options.as_json
@click.option("--udev", is_flag=True, help="Print a udev rule that lets a group read CPU energy.")
def doctor(as_json: bool, udev: bool) -> int:
    """Show what can be measured and controlled here.

    It also says how to get what cannot be had yet.
    """
    if udev:
        return _udev_rule()
    from energyctl.campaign.doctor import examine
    from energyctl.cli.output.console import make_console
    from energyctl.cli.output.status import print_examination

    examination = examine()
    if as_json:
        click.echo(json_text(examination))
    else:
        print_examination(examination, make_console())
    return 0


def _udev_rule() -> int:
    """The rule alone on standard output, to be written into a file."""
    from energyctl.meters.permissions import UDEV_RULE

    click.echo(UDEV_RULE, nl=False)
    say("its comments say how to install it, and what it opens up")
    return 0
