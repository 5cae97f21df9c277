"""The command ``init``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", metavar="DIR")
def init(folder: str) -> int:
    """Make a folder a workspace.

    DIR gets settings and templates of your own to edit; what is there already stays as it is.
    """
    from energyctl.system import workspace

    for path in workspace.init(Path(folder)):
        click.echo(f"wrote {path}")
    click.echo(f"next: energyctl -C {folder} run settings/quickstart.json")
    return 0
