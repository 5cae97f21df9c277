"""What several commands take: the same name, metavar and sentence in each of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from energyctl.cli import completers

_Command = TypeVar("_Command", bound=Callable[..., Any])


class FiniteRange(click.FloatRange):
    """A number; nan, which is outside no range, is none."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


def _chosen(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """``1,3,block:5`` → ([1, 3], [5])."""
    if value is None:
        return None
    runs: list[int] = []
    blocks: list[int] = []
    try:
        for item in value.split(","):
            word, colon, number = item.strip().rpartition(":")
            if word != ("block" if colon else ""):
                raise ValueError
            (blocks if colon else runs).append(int(number))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of runs like 1,3 or block:2") from None
    return runs, blocks


def _values(context: click.Context, parameter: click.Parameter, given: Iterable[str]) -> Any:
    """``NAME=VALUE`` each → by name; a value as JSON where it is some, else as it stands."""
    values = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign:
            raise click.UsageError(f"--set {text}: write NAME=VALUE")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values


def percentage(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """``5%`` → 0.05."""
    if value is None:
        return None
    number, sign, rest = value.partition("%")
    try:
        share = float(number) / 100
    except ValueError:
        share = 0.0
    if not sign or rest or not 0 < share < math.inf:
        raise click.BadParameter(f"{value!r} is no percentage above 0, as 5%")
    return share


settings_file = click.argument("file", shell_complete=completers.settings_files)
campaign = click.argument("campaign", required=False, shell_complete=completers.campaigns)
result_files = click.argument(
    "results", nargs=-1, metavar="[RESULTS]...", shell_complete=completers.runs
)
results_or_campaigns = click.argument(
    "results", nargs=-1, metavar="[RESULTS]...", shell_complete=completers.runs_and_campaigns
)

seed = click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(min=0),
    help="Draw all random values with this seed.",
)
models = click.option(
    "--models", metavar="FILE", help="Use this model registry instead of the workspace's."
)
results = click.option(
    "--results",
    "folder",
    metavar="DIR",
    help="Use this results folder instead of the workspace's.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
no_progress = click.option(
    "--no-progress", is_flag=True, help="Print plain lines instead of the live view."
)
force = click.option("--force", is_flag=True, help="Replace files that exist already.")
dry_run = click.option(
    "--dry-run", is_flag=True, help="Check everything and show what would start; start nothing."
)
strict = click.option("--strict", is_flag=True, help="Start nothing if any experiment is invalid.")
only = click.option(
    "--only",
    metavar="N[,N]",
    callback=_chosen,
    help="Do only these runs of the plan; block:N stands for those of a block.",
)
rendered = click.option(
    "--rendered", metavar="DIR", help="Use the entries that `render` wrote to DIR."
)
textfile = click.option(
    "--textfile",
    metavar="DIR",
    help="Write metrics for node_exporter's textfile collector to DIR/energyctl.prom.",
)
metrics_port = click.option(
    "--metrics-port",
    metavar="PORT",
    type=click.IntRange(1, 65535),
    help="Serve metrics for Prometheus on 127.0.0.1:PORT while it runs.",
)
sbatch = click.option(
    "--sbatch",
    metavar="KEY=VALUE",
    multiple=True,
    help="Set an option of sbatch, as partition=gpu; it wins over the settings. Repeatable.",
)

log_to = click.option(
    "--to", type=click.Choice(["mlflow", "wandb"]), required=True, help="The tracker."
)
log_uri = click.option(
    "--uri", metavar="URI", help="Its store or server (default: as its environment says)."
)
log_experiment = click.option(
    "--experiment",
    metavar="NAME",
    help="The MLflow experiment or W&B project (default: the campaign's name).",
)


def values(beside: str) -> Callable[[_Command], _Command]:
    """``--set``, which goes with *beside*."""
    return click.option(
        "--set",
        "values",
        metavar="NAME=VALUE",
        multiple=True,
        callback=_values,
        help=f"{beside}: the value of a hyper-parameter. Repeatable.",
        shell_complete=completers.hyperparameters,
    )


def interval(default: float, least: float) -> Callable[[_Command], _Command]:
    """``--interval``: how often a command looks, in seconds."""
    return click.option(
        "--interval",
        metavar="SECONDS",
        type=FiniteRange(least, 3600),
        default=default,
        show_default=True,
        help="Time between two updates.",
    )
