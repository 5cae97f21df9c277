"""The command ``meter``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from energyctl.system.workspace import Workspace


def _names(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> list[str] | None:
    """``0,1`` → ["0", "1"]."""
    return None if value is None else [part.strip() for part in value.split(",") if part.strip()]


@click.command(context_settings={"allow_interspersed_args": False, "ignore_unknown_options": False})
@click.option(
    "--json",
    "json_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the result as JSON to FILE.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write the time series as CSV to DIR.",
)
@click.option(
    "--interval",
    metavar="SECONDS",
    default=1.0,
    show_default=True,
    help="Time between two samples, 0.05 to 60.",
)
@click.option(
    "--gpus", metavar="GPU[,GPU]", callback=_names, help="Meter these GPUs: indices or UUIDs."
)
@click.option(
    "--require",
    metavar="KIND[,KIND]",
    callback=_names,
    help="Exit with 3 where one of them cannot be measured: cpu, dram, gpu.",
)
@click.option(
    "--leave-out",
    metavar="NAME[,NAME]",
    callback=_names,
    help="Leave these domains out of every figure, as dram-0.",
)
@click.option("--total", metavar="NAME", help="Let this domain be the total by itself.")
@click.argument("command", nargs=-1, required=True)
@click.pass_obj
def meter(
    workspace: Workspace,
    command: tuple[str, ...],
    json_path: Path | None,
    out: Path | None,
    interval: float,
    gpus: list[str] | None,
    require: list[str] | None,
    leave_out: list[str] | None,
    total: str | None,
) -> int:
    """Measure the energy of any command.

    The command's output is untouched, the summary goes to standard error. The exit code is the
    command's. Under sudo the command runs as root, as under `sudo perf stat`. A training that calls
    energyctl.epoch gets the energy of each epoch.
    """
    from energyctl.meters.command import meter_command

    return meter_command(
        command,
        interval_seconds=interval,
        gpus=gpus,
        require=require or (),
        leave_out=leave_out or (),
        total=total,
        node_meters=workspace.node_meters,
        out=out,
        json_path=json_path,
        stderr=sys.stderr,
        summary=_summary,
    )


def _summary(*arguments: Any) -> str:
    """Nothing is imported for it before the command has ended."""
    from energyctl.cli.output.meter import summary

    return summary(*arguments)
