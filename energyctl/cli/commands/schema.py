"""The command ``schema``."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--registry", is_flag=True, help="Print that of the model registry instead.")
def schema(registry: bool) -> int:
    """Print the JSON Schema of the settings file.

    It is for editors and programs.
    """
    if registry:
        from energyctl.config.registry import schema as make
    else:
        from energyctl.config.settings import schema as make
    click.echo(json.dumps(make(), indent=2, ensure_ascii=False))
    return 0
