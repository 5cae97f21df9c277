"""The command ``models``."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from energyctl.cli import completers, options
from energyctl.system.user import invoking_user
from energyctl.system.workspace import Workspace
from energyctl.text import json_text

if TYPE_CHECKING:
    from energyctl.config.registry import Registry


@click.command()
@options.models
@options.as_json
@click.option(
    "--test",
    metavar="REPO/MODEL",
    help="Try it: check its entry, and train for a short time.",
    shell_complete=completers.trainings,
)
@click.option(
    "--seconds",
    metavar="SECONDS",
    default=60.0,
    show_default=True,
    help="With --test: how long it may take.",
)
@click.option(
    "--set",
    "values",
    metavar="NAME=VALUE",
    multiple=True,
    help="With --test: the value of a hyper-parameter. Repeatable.",
)
@click.pass_obj
def models(
    workspace: Workspace,
    models: str | None,
    as_json: bool,
    test: str | None,
    seconds: float,
    values: tuple[str, ...],
) -> int:
    """Show the registered trainings, or try one.

    A training is a model of a repository, with its hyper-parameters.
    """
    from energyctl.config import registry

    entries = registry.read(workspace.given(models) if models else workspace.registry)
    if test is not None:
        return _try(entries, workspace, test, seconds, values, as_json)
    from energyctl.cli.output.console import make_console
    from energyctl.cli.output.models import models_json, models_view

    if as_json:
        click.echo(json_text(models_json(entries)))
    else:
        make_console().print(models_view(entries))
    return 0


def _try(
    registry: Registry,
    workspace: Workspace,
    name: str,
    seconds: float,
    values: Sequence[str],
    as_json: bool,
) -> int:
    """0 where the entry is right, as far as the trial shows."""
    from dataclasses import asdict

    from energyctl.campaign.training import trial
    from energyctl.campaign.training.invocations import Trainings

    repo, _, model = name.rpartition("/")
    user = invoking_user()
    trainings = Trainings.here(registry, workspace.root, user.environment(os.environ))
    training = trial.values_of(trainings, repo, model, dict(_value(text) for text in values))
    result = trial.trial(
        trainings, training, user, seconds, lambda line: click.echo(line, err=True)
    )
    if as_json:
        click.echo(json_text(asdict(result)))
    else:
        for line in result.lines():
            click.echo(line)
    return 1 if result.problems else 0


def _value(text: str) -> tuple[str, Any]:
    """``NAME=VALUE``; the value as JSON where it is some, else as it stands."""
    name, sign, value = text.partition("=")
    if not sign:
        raise click.UsageError(f"--set {text}: write NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
