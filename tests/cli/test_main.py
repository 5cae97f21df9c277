"""The command line: its help, its streams closed or unread, an interrupt early on."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import energyctl
from energyctl.cli import commands, main

ROOT = Path(energyctl.__file__).parents[1]


def environment(world: Path) -> dict[str, str]:
    """A machine without counters, and a campaign lock of its own."""
    return {
        **os.environ,
        "ENERGYCTL_POWERCAP": str(world / "powercap"),
        "ENERGYCTL_PERF": str(world / "perf"),
        "ENERGYCTL_LOCK": str(world / "lock"),
        "PYTHONPATH": str(ROOT),
    }


def called(
    *arguments: str, world: Path, redirection: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    """`energyctl ARGUMENTS REDIRECTION` of a shell."""
    command = f'"{sys.executable}" -m energyctl {" ".join(arguments)} {redirection}'
    env = {**environment(world), **more}
    return subprocess.run(
        ["sh", "-c", command], env=env, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    "arguments", [("doctor",), ("doctor", "--json"), ("doctor", "--udev"), ("models",), ("--help",)]
)
def test_a_closed_standard_output_is_no_failure(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = called(*arguments, redirection=">&-", world=tmp_path)
    assert (done.returncode, "rror" in done.stderr) == (0, False)


def test_a_closed_standard_error_does_not_turn_up_elsewhere(tmp_path: Path) -> None:
    done = called("run", "no-such-file.json", redirection="2>&-", world=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("doctor",),
        ("doctor", "--json"),
        ("doctor", "--udev"),
        ("models", "--json"),
        ("status", "--json"),
        ("schema",),
        ("--help",),
    ],
)
def test_a_reader_that_goes_away_is_no_failure(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "energyctl", *arguments]
    try:
        done = subprocess.run(
            command, env=environment(tmp_path), stdout=writer, stderr=subprocess.PIPE, text=True
        )
    finally:
        os.close(writer)
    assert (done.returncode, "rror" in done.stderr, "roken" in done.stderr) == (0, False, False)


def test_an_interrupt_while_the_program_is_being_loaded_is_silent(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    done = called("doctor", world=tmp_path, PYTHONPATH=path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_our_json_is_read_by_any_reader(tmp_path: Path) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    done = called("doctor", "--json", world=tmp_path)
    assert json.loads(done.stdout, parse_constant=refuse)["machine"]


# -- help --------------------------------------------------------------------------------------

LISTED = {name: line for lines in main.COMMANDS.values() for name, line in lines.items()}
NAMES = sorted({**LISTED, **main.HIDDEN})
HEAVY = ("pydantic", "rich", "jinja2", "psutil", "pynvml", "supervisor", "asyncio", "polars")


def help_of(*arguments: str) -> str:
    """What a terminal of 80 columns shows."""
    runner = CliRunner(env={"COLUMNS": "80"})
    shown = runner.invoke(main.group, [*arguments, "--help"], prog_name="energyctl")
    assert shown.exit_code == 0
    return shown.output


def test_a_command_has_the_file_of_its_name() -> None:
    folder = Path(commands.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert {main.module_of(name) for name in NAMES} == files
    assert {name: main.command(name).name for name in NAMES} == {name: name for name in NAMES}


@pytest.mark.parametrize("arguments", [(), *((name,) for name in NAMES)], ids=" ".join)
def test_help_fits_a_terminal_of_80_columns(arguments: tuple[str, ...]) -> None:
    assert [line for line in help_of(*arguments).splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("name", NAMES)
def test_help_is_whole_sentences(name: str) -> None:
    command = main.command(name)
    paragraphs = [" ".join(text.split()) for text in (command.help or "").split("\n\n")]
    assert paragraphs[0] == {**LISTED, **main.HIDDEN}[name]
    options = [option for option in command.params if isinstance(option, click.Option)]
    sentences = [*paragraphs, *(option.help or "" for option in options)]
    assert [text for text in sentences if not text.endswith(".")] == []
    assert [text for text in sentences if not re.match("[A-Z]", text)] == []


def test_the_list_of_commands_is_grouped_and_leaves_nothing_out() -> None:
    shown = help_of()
    headings = [line for line in shown.splitlines() if line.rstrip(":") in main.COMMANDS]
    assert headings == [f"{heading}:" for heading in main.COMMANDS]
    listed = re.findall(r"^  ([a-z-]+) +([A-Z].*)$", shown.partition(headings[0])[2], re.MULTILINE)
    assert dict(listed) == LISTED
    assert "..." not in shown.partition(headings[0])[2]


def test_an_option_of_one_meaning_is_one_everywhere() -> None:
    """The same name with another sentence is another option: they are counted here."""
    sentences: dict[str, set[tuple[str | None, str | None]]] = {}
    for name in NAMES:
        for option in main.command(name).params:
            if isinstance(option, click.Option):
                sentences.setdefault(option.opts[0], set()).add((option.metavar, option.help))
    several = {name: len(found) for name, found in sentences.items() if len(found) > 1}
    # Where each command writes; what `meter` is told; whose schema; beside what values are set.
    counts = {"--out": 6, "--json": 2, "--interval": 2, "--results": 2, "--set": 2}
    # Of what it is the title.
    counts |= {"--title": 2}
    # Where a GPU is named with another option; of what there are so many seconds.
    counts |= {"--gpu": 2, "--seconds": 2}
    # What `plot` says of them names the figure that they are for.
    counts |= {"--by": 2, "--base": 2, "--measure": 2, "--margin": 2}
    assert several == counts


def test_the_bare_name_prints_the_help(tmp_path: Path) -> None:
    bare, asked = called(world=tmp_path), called("--help", world=tmp_path)
    assert (bare.returncode, bare.stderr) == (0, "")
    assert bare.stdout == asked.stdout


def test_run_task_works_unlisted(tmp_path: Path) -> None:
    assert "run-task" not in help_of()
    done = called("run-task", "x", "1", world=tmp_path, SLURM_JOB_ID="")
    assert done.returncode == 3
    assert "run-task is what a job of `energyctl submit` calls" in done.stderr


def test_a_mistyped_command_is_told_what_may_be_meant(tmp_path: Path) -> None:
    done = called("stat", world=tmp_path)
    assert done.returncode == 2
    assert "stat" in done.stderr
    assert "internal" not in done.stderr


def test_help_and_completion_of_every_command_import_nothing_heavy() -> None:
    """Each press of Tab imports the command that is being typed."""
    program = (
        "import sys\nfrom energyctl.cli import main\nfound = {}\n"
        f"for name in {NAMES}:\n    main.command(name)\n"
        f"    found.setdefault(' '.join(sorted({{*{HEAVY}}} & {{*sys.modules}})), name)\n"
        "print(found)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert list(ast.literal_eval(done.stdout)) == [""], done.stdout


def test_a_command_that_is_not_asked_for_is_not_imported() -> None:
    program = (
        "import sys\nfrom energyctl import cli\n"
        "cli.run(['--help'])\ncli.run(['schema', '--help'])\n"
        "print([m for m in sys.modules if m.startswith('energyctl.cli.commands.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "['energyctl.cli.commands.schema']"
