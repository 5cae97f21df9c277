"""The commands for operators: status, stop, meter, models, doctor, init."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from energyctl.cli.commands import completion as completing

if TYPE_CHECKING:
    from energyctl.config.registry import Registry
    from energyctl.energy import Energy
    from energyctl.slurm import Overview
    from energyctl.system.workspace import Workspace

_json = click.option("--json", "as_json", is_flag=True, help="One JSON document.")
_root = click.pass_obj


def _echo_json(data: Any) -> None:
    from energyctl.text import json_text

    click.echo(json_text(data))


def _names(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> list[str] | None:
    """``0,1`` → ["0", "1"]."""
    return None if value is None else [part.strip() for part in value.split(",") if part.strip()]


@click.command()
@_json
@_root
def status(root: Path, as_json: bool) -> int:
    """Show the daemon, the background jobs, the current run and phase, and the power now.

    Of a campaign on a cluster: every run, where it is and how far.
    """
    from energyctl.campaign import operations
    from energyctl.cli.output import status as reports

    found, seen = operations.status(root), _across_nodes(root)
    if as_json:
        _echo_json({**found, "cluster": None if seen is None else seen.to_json()})
        return 0
    click.echo(reports.status_text(found))
    if seen is not None:
        from energyctl.cli.output import slurm as cluster

        click.echo("\n".join(cluster.status_lines(seen)))
    return 0


def _across_nodes(root: Path) -> Overview | None:
    """The newest campaign of the workspace, where it runs on a cluster."""
    from energyctl import system as machine
    from energyctl.results.folder import ResultsFolder
    from energyctl.slurm import Overviews, newest
    from energyctl.system.workspace import Workspace

    journal = newest(ResultsFolder(Workspace(root).results, machine.invoking_user()))
    return None if journal is None else Overviews(journal).look()


@click.command()
@click.option(
    "--job", metavar="ID", help="What a job of Slurm left on this node, whatever the workspace."
)
@_root
def stop(root: Path, job: str | None) -> int:
    """End every background job of this workspace, and prove that nothing is left."""
    from energyctl.campaign import operations
    from energyctl.errors import MachineError
    from energyctl.system.workspace import Workspace

    done, left = operations.stop_job(job) if job else operations.stop_everything(Workspace(root))
    for line in done:
        click.echo(line)
    if left:
        raise MachineError(f"not ended: {', '.join(left)}")
    click.echo("nothing is running" if not done else "nothing is left")
    return 0


@click.command(context_settings={"allow_interspersed_args": False, "ignore_unknown_options": False})
@click.option(
    "--json", "json_path", metavar="FILE", type=click.Path(path_type=Path), help="Result as JSON."
)
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Time series as CSV.")
@click.option(
    "--interval", metavar="S", default=1.0, show_default=True, help="Sampling interval, 0.05 to 60."
)
@click.option("--gpus", metavar="G[,G]", callback=_names, help="GPUs to meter: indices or UUIDs.")
@click.option(
    "--require", metavar="K[,K]", callback=_names, help="Of cpu, dram, gpu: exit 3 without them."
)
@click.argument("command", nargs=-1, required=True)
def meter(
    command: tuple[str, ...],
    json_path: Path | None,
    out: Path | None,
    interval: float,
    gpus: list[str] | None,
    require: list[str] | None,
) -> int:
    """Meter any COMMAND. Its output is untouched; exits with its exit code."""
    from energyctl.meters import command as metered

    return metered.run(
        command,
        interval_seconds=interval,
        gpus=gpus,
        require=require or (),
        out=out,
        json_path=json_path,
        stderr=sys.stderr,
        summary=_summary,
    )


def _summary(energy: Energy, warnings: Sequence[str], stderr: TextIO | None) -> str:
    """Nothing is imported for it before the command has ended."""
    from energyctl.cli.output.meter import summary

    return summary(energy, warnings, stderr)


@click.command()
@click.option("--models", "file", metavar="FILE", help="Another model registry.")
@_json
@click.option(
    "--test",
    metavar="REPO/MODEL",
    help="Try it: preflight, and one short training.",
    shell_complete=completing.trainings,
)
@click.option("--seconds", default=60.0, show_default=True, help="How long that may take.")
@click.option("--set", "values", metavar="NAME=VALUE", multiple=True, help="For that training.")
@_root
def models(
    root: Path,
    file: str | None,
    as_json: bool,
    test: str | None,
    seconds: float,
    values: tuple[str, ...],
) -> int:
    """Show the registered repositories, models and hyper-parameters, or try one."""
    from energyctl.config import registry
    from energyctl.system.workspace import Workspace

    workspace = Workspace(root)
    known = registry.read(workspace.given(file) if file else workspace.registry)
    if test is not None:
        return _try(known, workspace, test, seconds, values, as_json)
    from energyctl.cli.output.models import models_json, models_view

    if as_json:
        _echo_json(models_json(known))
        return 0
    from energyctl.cli.output.live import make_console

    make_console().print(models_view(known))
    return 0


def _try(
    known: Registry,
    workspace: Workspace,
    name: str,
    seconds: float,
    values: Sequence[str],
    as_json: bool,
) -> int:
    """``energyctl models --test``: 0 where the entry is right, as far as the trial shows."""
    from dataclasses import asdict

    from energyctl import system as machine
    from energyctl.campaign.training import interpreters
    from energyctl.campaign.training import trial as trying
    from energyctl.campaign.training.invocations import Trainings

    repo, _, model = name.rpartition("/")
    user = machine.invoking_user()
    python = interpreters.own_python(os.environ, sys.executable)
    made = Trainings(known, workspace.root, python, user.environment(os.environ))
    training = trying.values_of(made, repo, model, dict(_value(text) for text in values))
    seen = trying.trial(made, training, user, seconds, lambda line: click.echo(line, err=True))
    if as_json:
        _echo_json(asdict(seen))
    else:
        for line in seen.lines():
            click.echo(line)
    return 1 if seen.problems else 0


def _value(text: str) -> tuple[str, Any]:
    """``NAME=VALUE``; the value as JSON where it is some, else as it stands."""
    name, sign, value = text.partition("=")
    if not sign:
        raise click.UsageError(f"--set {text}: write NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


@click.command()
@_json
@click.option("--udev", is_flag=True, help="Print a udev rule that lets a group read CPU energy.")
def doctor(as_json: bool, udev: bool) -> int:
    """Show what can be measured and controlled here, and how to get what cannot."""
    if udev:
        return _udev_rule()
    from energyctl.campaign import operations
    from energyctl.cli.output import status as reports
    from energyctl.cli.output.live import make_console

    found = operations.examine()
    if as_json:
        _echo_json(found)
    else:
        reports.print_examination(found, make_console())
    return 0


def _udev_rule() -> int:
    """The rule alone on standard output, to be written into a file."""
    from energyctl.meters import permissions as permission

    click.echo(permission.UDEV_RULE, nl=False)
    click.echo("energyctl: its comments say how to install it, and what it opens up", err=True)
    return 0


@click.command()
@click.argument("folder", metavar="DIR")
def init(folder: str) -> int:
    """Make DIR a workspace: settings and templates of your own to edit."""
    from energyctl.system import workspace

    written = workspace.init(Path(folder))
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(f"next: energyctl -C {folder} run settings/quickstart.json")
    return 0


COMMANDS = (status, stop, meter, models, doctor, init)
