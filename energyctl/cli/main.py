"""The command line: its commands, what becomes of their errors, exit codes.

A command is imported when it is called. What its file imports at its top, its help and its
completion wait for: only what is light. What its work needs is imported where that begins.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import keyword
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem, shell_complete

import energyctl
from energyctl.cli.leftover_notice import naming_leftovers
from energyctl.cli.output.lines import say
from energyctl.errors import EnergyctlError, Interrupted
from energyctl.system.workspace import Workspace

COMMANDS = {
    "Run and look ahead": {
        "run": "Run every experiment of a settings file.",
        "search": "Search hyper-parameters for less energy and a better metric.",
        "resume": "Go on with a campaign that was interrupted or crashed.",
        "plan": "Show the runs that `run` would do, with every value.",
        "validate": "Name all problems of settings files and of the registry.",
        "render": "Write the supervisord entries that `run` would use.",
        "meter": "Measure the energy of any command.",
    },
    "Watch and control": {
        "status": "Show the daemon, the background, the current run, the power.",
        "watch": "Watch the campaign that runs in this workspace.",
        "stop": "End every background job, and prove that nothing is left.",
    },
    "Results": {
        "report": "Show what a campaign did, here or as an HTML page.",
        "compare": "Compare campaigns, or groups of runs, by statistics.",
        "attribute": "Show what trainings cost beside a background, pair by pair.",
        "plot": "Draw one figure for a paper.",
        "export": "Write results as tables, CSV or Parquet.",
        "bundle": "Make a citable archive of a campaign.",
        "import": "Make results of campaigns of the older tool.",
        "log": "Log results to MLflow or Weights & Biases.",
    },
    "Cluster": {
        "submit": "Run the experiments of a settings file on a Slurm cluster.",
        "collect": "Wait until a campaign on a cluster is over.",
        "cancel": "End a campaign on a cluster.",
    },
    "Set-up": {
        "init": "Make a folder a workspace.",
        "doctor": "Show what can be measured and controlled here.",
        "calibrate": "Measure how well energy is divided, or what the wall adds to it.",
        "models": "Show the registered trainings, or try one.",
        "migrate": "Put a settings file of an older dialect into today's words.",
        "schema": "Print the JSON Schema of settings, registry, meters or results.",
        "completion": "Print the script that completes command lines in a shell.",
    },
}
"""Heading → command → the first sentence of its help. Its file has its name: `module_of`."""

HIDDEN = {
    "run-task": "Do the runs of one task of a campaign on a cluster.",
    "log-follow": "Log the runs of a campaign while it goes on.",
}
"""Called by the jobs of `submit`, and by `run` where the settings have `log_to`."""

PROGRAM = "energyctl"
COMPLETION = "_ENERGYCTL_COMPLETE"
"""What a shell that completes a command line sets."""


class LazyGroup(click.Group):
    """Lists its commands by the table, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return command(cmd_name) if cmd_name in self.commands else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(len(name) for lines in COMMANDS.values() for name in lines)
        for heading, lines in COMMANDS.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), line) for name, line in lines.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        listed = [item for lines in COMMANDS.values() for item in lines.items()]
        names = [CompletionItem(name, help=line) for name, line in listed]
        names = [item for item in names if item.value.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)


def module_of(name: str) -> str:
    """The module of a command: ``run-task`` → ``run_task``, ``import`` → ``import_``."""
    return name.replace("-", "_") + "_" * keyword.iskeyword(name)


@functools.cache
def command(name: str) -> click.Command:
    """The command of that name, imported."""
    module = importlib.import_module(f"energyctl.cli.commands.{module_of(name)}")
    imported: click.Command = getattr(module, module_of(name))
    imported.callback = naming_leftovers(imported)
    return imported


@click.group(
    cls=LazyGroup,
    # What click suggests for a mistyped name; `get_command` imports the real ones.
    commands=[click.Command(n) for lines in (*COMMANDS.values(), HIDDEN) for n in lines],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
)
@click.version_option(energyctl.__version__, prog_name=PROGRAM)
@click.option("-C", "folder", metavar="DIR", default=".", help="Work in this workspace.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def group(context: click.Context, folder: str, debug: bool) -> None:
    """Measure the energy of a training while the machine is under load from other trainings.

    \b
    Begin with:  energyctl run settings/quickstart.json
    Your own:    energyctl init DIR, then edit DIR/settings
    """
    if os.getuid() == 0:
        _give_up_root(context.invoked_subcommand)
    if not os.path.isdir(folder):
        raise click.UsageError(f"-C {folder}: no such folder")
    try:
        context.obj = Workspace(Path(folder).resolve())
    except FileNotFoundError as error:  # getcwd(2): it has been unlinked
        raise click.UsageError("the current folder was removed; cd to one that is there") from error
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


CONTROLLING = ("run", "search", "resume", "run-task")
"""Need a helper that stays root under sudo, and a cgroup."""

MEASURING = (*CONTROLLING, "doctor")
"""Open counters that only root may open."""


def _give_up_root(name: str | None) -> None:
    """Under sudo all but `meter` is done as the invoking user; `stop` sees to it itself."""
    from energyctl.system import privileges

    def open_counters() -> None:
        from energyctl.meters.discovery import open_counters

        if name in MEASURING:
            open_counters()

    if name not in ("meter", "stop"):
        control = name in CONTROLLING
        privileges.give_up(control=control, cgroup=control, before=open_counters)


def run(arguments: Sequence[str]) -> int:
    """Runs one command line; returns the exit code."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # A locale without our characters must not end a campaign.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _called(arguments)
    except click.exceptions.Exit as error:
        code = error.exit_code
    except BrokenPipeError:  # nobody reads our output any more (`… | head`): no failure
        code = 0
    except click.ClickException as error:
        return _say(_one_line(error.format_message()), error.exit_code)
    except (click.Abort, KeyboardInterrupt, Interrupted) as error:
        if isinstance(error, KeyboardInterrupt):
            click.echo(err=True)  # behind the ^C that a terminal shows
        _debug(arguments, error)
        return Interrupted.exit_code
    except EnergyctlError as error:
        _debug(arguments, error)
        return _say(error, error.exit_code)
    except OSError as error:
        _debug(arguments, error)
        place = f"{error.filename}: " if error.filename else ""
        return _say(f"{place}{error.strerror or error}", 1)
    except Exception as error:
        _debug(arguments, error)
        text = f"internal error: {type(error).__name__}: {_one_line(str(error))}"
        return _say(f"{text}; run again with `energyctl --debug …` and report it", 1)
    _forget_unread()
    return code


def _called(arguments: Sequence[str]) -> int:
    """As `click.Command.main` does it, which would end the program where a pipe is broken."""
    instruction = os.environ.get(COMPLETION)
    if instruction:
        if os.getuid() == 0:
            _give_up_root(None)
        return shell_complete(group, {}, PROGRAM, COMPLETION, instruction)
    with group.make_context(PROGRAM, list(arguments)) as context:
        return group.invoke(context) or 0


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


def _say(problem: str | EnergyctlError, code: int) -> int:
    lines = problem.args if isinstance(problem, EnergyctlError) else [problem]
    with contextlib.suppress(OSError):
        for line in lines:
            say(str(line))
    return code
