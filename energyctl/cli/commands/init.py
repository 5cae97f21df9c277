"""The command ``init``."""

from __future__ import annotations

from pathlib import Path

import click

from energyctl.cli.output.lines import show


@click.command()
@click.argument("folder", metavar="DIR")
def init(folder: str) -> int:
    """Make a folder a workspace.

    DIR gets settings and templates of your own to edit; what is there already stays as it is.
    """
    from energyctl.system import workspace

    for path in workspace.init(Path(folder)):
        show(f"wrote {path}")
    show(f"next: energyctl -C {folder} run settings/quickstart.json")
    return 0
