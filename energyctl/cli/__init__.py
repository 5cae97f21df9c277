"""Arguments, wiring, exit codes. Nothing is imported before a command needs it."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

import energyctl
from energyctl.cli.commands import campaign as campaigns
from energyctl.cli.commands import compare as comparing
from energyctl.cli.commands import completion as completing
from energyctl.cli.commands import export as exporting
from energyctl.cli.commands import import_ as importing
from energyctl.cli.commands import operate as operating
from energyctl.cli.commands import plot as plotting
from energyctl.cli.commands import report as reporting
from energyctl.cli.commands import slurm as clusters
from energyctl.cli.commands import watch as watching
from energyctl.cli.leftover_notice import naming_leftovers
from energyctl.errors import EnergyctlError, Interrupted

INTERRUPTED = 130


class ReaderGone(Exception):
    """Nobody reads our output any more (`energyctl plan … | head`); that is no failure."""


@contextlib.contextmanager
def _broken_pipes_told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error


class Group(click.Group):
    """Tells of a reader that has gone, where click itself would exit with 1."""

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        with _broken_pipes_told():
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _broken_pipes_told():
            return super().invoke(ctx)


@click.group(
    cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(energyctl.__version__, prog_name="energyctl")
@click.option("-C", "folder", metavar="DIR", default=".", help="Work in this workspace.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def group(context: click.Context, folder: str, debug: bool) -> None:
    """Measure the energy of a training while the machine is under load from other trainings.

    \b
    Begin with:  energyctl run settings/quickstart.json
    Your own:    energyctl init DIR, then edit DIR/settings
    """
    if not os.path.isdir(folder):
        raise click.UsageError(f"-C {folder}: no such folder")
    context.obj = Path(folder).resolve()


for command in (
    *campaigns.COMMANDS,
    *clusters.COMMANDS,
    *operating.COMMANDS,
    *watching.COMMANDS,
    *exporting.COMMANDS,
    *importing.COMMANDS,
    *comparing.COMMANDS,
    *reporting.COMMANDS,
    *plotting.COMMANDS,
    *completing.COMMANDS,
):
    command.callback = naming_leftovers(command)
    group.add_command(command)


def run(arguments: Sequence[str]) -> int:
    """Runs one command line; returns the exit code."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # A locale without our characters must not end a campaign.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code: Any = group.main(list(arguments), prog_name="energyctl", standalone_mode=False)
        _forget_unread()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        return _say(_one_line(error.format_message()), error.exit_code)
    except (click.Abort, KeyboardInterrupt, Interrupted) as error:
        _debug(arguments, error)
        return INTERRUPTED
    except EnergyctlError as error:
        _debug(arguments, error)
        return _say(str(error), error.exit_code)
    except ReaderGone:
        _forget_unread()
        return 0
    except OSError as error:
        _debug(arguments, error)
        place = f"{error.filename}: " if error.filename else ""
        return _say(f"{place}{error.strerror or error}", 1)
    except Exception as error:
        _debug(arguments, error)
        text = f"internal error: {type(error).__name__}: {_one_line(str(error))}"
        return _say(f"{text}; run again with `energyctl --debug …` and report it", 1)


def _open_closed_streams() -> None:
    """Where we were started without one (`>&-`), what is said there goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def _forget_unread() -> None:
    """What nobody can read any more must not fail once more when Python ends."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is None:
            continue
        try:
            stream.flush()
        except BrokenPipeError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def _debug(arguments: Sequence[str], error: BaseException) -> None:
    options = list(arguments)[: list(arguments).index("--")] if "--" in arguments else arguments
    if "--debug" in options:
        import traceback

        traceback.print_exception(error)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _say(text: str, code: int) -> int:
    with contextlib.suppress(OSError):
        for line in text.splitlines():
            print(f"energyctl: {line}", file=sys.stderr)
    return code
