"""The commands about campaigns: run, resume, plan, validate, migrate, render."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from energyctl.cli.commands import completion as completing

_models = click.option("--models", metavar="FILE", help="Another model registry.")
_seed = click.option("--seed", type=click.IntRange(min=0), help="Seed of the drawn values.")
_results = click.option("--results", metavar="DIR", help="Another results folder.")
_no_progress = click.option("--no-progress", is_flag=True, help="Plain lines, no live view.")
_root = click.pass_obj


def numbers(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """``1,3,5`` → [1, 3, 5]."""
    if value is None:
        return None
    try:
        return [int(item) for item in value.split(",")]
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of run numbers like 1,3") from None


@click.command()
@click.argument("file", required=False, shell_complete=completing.settings_files)
@_seed
@click.option("--dry-run", is_flag=True, help="Say what would happen, start nothing.")
@click.option("--strict", is_flag=True, help="Start nothing if any experiment is invalid.")
@click.option("--only", metavar="N[,N]", callback=numbers, help="Only these runs of the plan.")
@_results
@_models
@click.option("--rendered", metavar="DIR", help="Use the entries that `render` wrote there.")
@_no_progress
@click.option(
    "--repo", help="Without a file: the repository.", shell_complete=completing.repositories
)
@click.option(
    "--model", help="Without a file: the model to train.", shell_complete=completing.models
)
@click.option("--mutate", metavar="A,B", help="Without a file: what to mutate.")
@click.option("--runs", type=click.IntRange(min=1), help="Without a file: how many runs.")
@_root
def run(root: Path, /, file: str | None, **options: Any) -> int:
    """Run every experiment of a settings FILE, or of one --model without a file."""
    from energyctl.cli.commands import run as conducting

    return conducting.run(root, file, options)


@click.command()
@click.argument("campaign", required=False, shell_complete=completing.campaigns)
@_results
@_no_progress
@click.option(
    "--sbatch", metavar="KEY=VALUE", multiple=True, help="On a cluster, as with `submit`."
)
@_root
def resume(
    root: Path,
    campaign: str | None,
    results: str | None,
    no_progress: bool,
    sbatch: tuple[str, ...],
) -> int:
    """Go on with an interrupted or crashed CAMPAIGN (default: the newest).

    On a cluster: submit what is neither finished nor in the queue.
    """
    from energyctl.cli.commands import run as conducting

    return conducting.resume(root, campaign, results, no_progress, sbatch)


@click.command()
@click.argument("file", shell_complete=completing.settings_files)
@_seed
@_models
@_results
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@_root
def plan(
    root: Path,
    file: str,
    seed: int | None,
    models: str | None,
    results: str | None,
    as_json: bool,
) -> int:
    """Show the runs that `run` would do, with every value."""
    from energyctl.cli.commands import run as conducting

    return conducting.show_plan(root, file, seed, models, results, as_json)


@click.command()
@click.argument("files", nargs=-1)
@_models
@_root
def validate(root: Path, files: tuple[str, ...], models: str | None) -> int:
    """Name all problems of all FILES and of the registry, with their place and a suggestion.

    A FILE may be a registry itself. Without FILES, the registry alone is validated.
    """
    from energyctl.cli.commands import validate as validating

    return validating.validate(root, files, models)


@click.command()
@click.argument("file")
@click.option("--out", metavar="FILE", help="Write it there; `-` is standard output.")
@click.option("--write", is_flag=True, help="Change FILE itself; the old one stays as FILE.bak.")
@click.option(
    "--prefer",
    metavar="[WHERE=]CHOICE",
    multiple=True,
    help="Where there are two readings; each is named with its choices. Repeatable.",
)
@_models
@_root
def migrate(
    root: Path,
    file: str,
    out: str | None,
    write: bool,
    prefer: tuple[str, ...],
    models: str | None,
) -> int:
    """Show a settings FILE of an older dialect in today's words, and write it if asked to."""
    from energyctl.cli.commands import migrate as migrating

    if out is not None and write:
        raise click.UsageError("--out goes without --write")
    return migrating.migrate(root, file, out, write, prefer, models)


@click.command()
@click.argument("file")
@click.option("--out", metavar="DIR", default="rendered", show_default=True)
@_seed
@_models
@_results
@_root
def render(
    root: Path, file: str, out: str, seed: int | None, models: str | None, results: str | None
) -> int:
    """Write the supervisord entries that `run` would use, to read or edit them.

    After an edit, use them with `energyctl run FILE --rendered DIR`.
    """
    from energyctl.cli.commands import run as conducting

    return conducting.render(root, file, out, seed, models, results)


@click.command()
@click.option("--registry", is_flag=True, help="That of the model registry instead.")
def schema(registry: bool) -> int:
    """Print the JSON Schema of the settings file, for editors and programs."""
    import json

    if registry:
        from energyctl.config.registry import schema as make
    else:
        from energyctl.config.settings import schema as make
    click.echo(json.dumps(make(), indent=2, ensure_ascii=False))
    return 0


COMMANDS = (run, resume, plan, validate, migrate, render, schema)
