"""The command ``schema``."""

from __future__ import annotations

import json

import click


@click.command()
@click.option(
    "--registry", "of", flag_value="registry", help="Print that of the model registry instead."
)
@click.option("--meters", "of", flag_value="meters", help="Print that of settings/meters.json.")
@click.option("--results", "of", flag_value="results", help="Print that of a result file instead.")
def schema(of: str | None) -> int:
    """Print the JSON Schema of settings, registry, meters or results.

    It is for editors and programs.
    """
    if of == "registry":
        from energyctl.config.registry import schema as make
    elif of == "meters":
        from energyctl.config.node_meters import schema as make
    elif of == "results":
        from energyctl.results.json_schema import schema as make
    else:
        from energyctl.config.settings import schema as make
    click.echo(json.dumps(make(), indent=2, ensure_ascii=False))
    return 0
