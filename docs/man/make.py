"""Writes the manual page from the commands themselves: python docs/man/make.py"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from energyctl.cli import group

PAGE = Path(__file__).with_name("energyctl.1")

EXITS = (
    ("0", "All runs succeeded."),
    ("1", "A run failed, or was skipped as invalid; something was left out."),
    ("2", "The settings, a template or the command line is wrong; nothing was started."),
    (
        "3",
        "The machine cannot: no supervisord, another campaign runs, a required meter is missing.",
    ),
    ("130", "Interrupted. A second Ctrl-C does not cut short that everything is ended."),
)
ENVIRONMENT = (
    ("CUDA_VISIBLE_DEVICES", "GPUs that are metered where the settings name none."),
    ("ENERGYCTL_LOCK", "The file of the lock that admits one campaign at a time to the machine."),
    ("ENERGYCTL_PRIVATE", "A folder of this machine alone, for sockets; /tmp without it."),
    ("NO_COLOR", "Set to anything: no colours."),
    ("COLUMNS", "Width of tables that go into a pipe or a file; 120 without it."),
)
FILES = (
    ("settings/", "Experiment files, and models_config.json, the registry of trainings."),
    ("templates/", "Templates of the supervisord entries of the background."),
    ("results/", "Written by energyctl: a result for each run, time series, logs, journals."),
    ("supervisord.conf", "Rendered for the daemon of the background; supervisorctl reads it."),
)
EXAMPLES = (
    (
        "energyctl run settings/quickstart.json",
        "A short training, alone and beside a load.",
    ),
    ("energyctl plan x.json", "What a campaign will do, with every drawn value."),
    ("energyctl plan x.json --power 5%", "How many blocks it takes, by those that have finished."),
    ("energyctl watch", "The campaign that runs, from another terminal."),
    ("energyctl submit x.json --sbatch partition=gpu", "The campaign on a Slurm cluster."),
    ("energyctl meter -- python train.py", "The energy of any command."),
    ("energyctl compare --by background", "Runs alone against runs beside a background."),
)


def page() -> str:
    """The whole page as roff."""
    context = click.Context(group, info_name="energyctl")
    lines = [
        ".\\\" Written by docs/man/make.py from the commands' own help. Do not edit.",
        '.TH ENERGYCTL 1 "" "energyctl" "User Commands"',
        ".SH NAME",
        "energyctl \\- energy of a training while the machine is under load from other trainings",
        ".SH SYNOPSIS",
        ".B energyctl",
        "[\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGS\\fR]...",
        ".SH DESCRIPTION",
        *_paragraphs(group.help or ""),
        ".SH OPTIONS",
        *_options(group, context),
        ".SH COMMANDS",
    ]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if not command.hidden:
            lines += _command(command, click.Context(command, context, info_name=name))
    for title, entries in (
        ("EXIT STATUS", EXITS),
        ("ENVIRONMENT", ENVIRONMENT),
        ("FILES", FILES),
        ("EXAMPLES", EXAMPLES),
    ):
        lines.append(f".SH {title}")
        for term, text in entries:
            lines += [".TP", f".B {_roff(term)}", _roff(text)]
    lines += [
        ".SH SEE ALSO",
        ".BR supervisord (1),",
        ".BR supervisorctl (1),",
        ".BR nvidia\\-smi (1)",
    ]
    return "\n".join(lines) + "\n"


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".SS {_roff(f'energyctl {context.info_name} {usage}')}"
    yield from _paragraphs(command.help or "")
    yield from _options(command, context)
    if command.epilog:
        yield from _paragraphs(command.epilog)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Argument) or "--help" in parameter.opts:
            continue
        record = parameter.get_help_record(context)
        if record is not None:
            yield ".TP"
            yield f".B {_roff(record[0])}"
            yield _roff(" ".join(record[1].split()))


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs are filled; behind \\b they stand as they are, as in click's own help."""
    for part in re.split(r"\n\s*\n", text.strip()):
        yield ".PP"
        if part.lstrip().startswith("\b"):
            yield ".nf"
            yield from (_roff(line.strip()) for line in part.replace("\b", "").strip().splitlines())
            yield ".fi"
        else:
            yield _roff(" ".join(part.split()))


def _roff(text: str) -> str:
    """Nothing in *text* means anything to roff."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
