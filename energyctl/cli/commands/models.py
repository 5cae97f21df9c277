"""The command ``models``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from energyctl.cli import completers, options
from energyctl.cli.output.lines import show
from energyctl.system.workspace import Workspace
from energyctl.text import first_of, json_text


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
@options.values("With --test")
@click.pass_obj
def models(
    workspace: Workspace,
    models: str | None,
    as_json: bool,
    test: str | None,
    seconds: float,
    values: Mapping[str, Any],
) -> int:
    """Show the registered trainings, or try one.

    A training is a model of a repository, with its hyper-parameters.
    """
    from energyctl.config import registry

    path = workspace.given(models) if models else workspace.registry
    if test is not None:
        return _try(path, workspace, test, seconds, values, as_json)
    entries = registry.read(path)
    from energyctl.cli.output.console import make_console
    from energyctl.cli.output.models import models_json, models_view

    if as_json:
        click.echo(json_text(models_json(entries)))
    else:
        make_console().print(models_view(entries))
    return 0


def _try(
    path: Path,
    workspace: Workspace,
    name: str,
    seconds: float,
    values: Mapping[str, Any],
    as_json: bool,
) -> int:
    """0 where the entry is right, as far as the trial shows."""
    from dataclasses import asdict

    from energyctl.campaign.training import trial
    from energyctl.campaign.training.invocations import Trainings
    from energyctl.config import registry

    entry, (repo, model), wrong = registry.read_entry(path, name)
    if wrong:
        show(
            f"warning: {path}: errors in other entries: {first_of(wrong, 5)}; "
            "`energyctl validate` names them",
            err=True,
        )
    trainings = Trainings.here(entry, workspace.root, os.environ)
    training = trial.values_of(entry, repo, model, values)
    result = trial.trial(trainings, training, seconds, lambda line: show(line, err=True))
    if as_json:
        click.echo(json_text(asdict(result)))
    else:
        for line in result.lines():
            show(line)
    return 1 if result.problems else 0
