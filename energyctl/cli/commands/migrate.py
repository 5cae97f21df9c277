"""The command ``migrate``."""

from __future__ import annotations

import difflib
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from energyctl.cli import options
from energyctl.cli.output.lines import show
from energyctl.cli.problems import show_problems
from energyctl.errors import SettingsError
from energyctl.system.files import replace_text, write_atomic
from energyctl.system.workspace import Workspace
from energyctl.text import count

if TYPE_CHECKING:
    from energyctl.campaign.prepare import PreparedCampaign
    from energyctl.config.settings import Migration, Question

SHOWN_PLACES = 10
STANDARD_OUTPUT = "-"


@click.command()
@options.settings_file
@click.option("--out", metavar="FILE", help="Write it to FILE, or with - to standard output.")
@click.option("--write", is_flag=True, help="Change FILE itself; the old one stays as FILE.bak.")
@click.option(
    "--prefer",
    metavar="[WHERE=]CHOICE",
    multiple=True,
    help="Which of two readings is meant; each is named with its choices. Repeatable.",
)
@options.models
@click.pass_obj
def migrate(
    workspace: Workspace,
    file: str,
    out: str | None,
    write: bool,
    prefer: tuple[str, ...],
    models: str | None,
) -> int:
    """Put a settings file of an older dialect into today's words.

    The difference is shown; it is written if asked to. The exit code is the one that `validate`
    has for the new file.
    """

    if out is not None and write:
        raise click.UsageError("--out goes without --write")
    path = workspace.settings_file(file)
    old = _read(path)
    target = None if out in (None, STANDARD_OUTPUT) else _target(workspace, path, str(out))
    migration = _decided(path, old, prefer)
    if migration.questions:
        raise SettingsError(*_undecided(path, migration.questions))
    new = migration.text
    _say_changes(migration)
    to_stdout = out == STANDARD_OUTPUT
    for line in _difference(path, old, new):
        show(line, err=to_stdout)
    code = _check(workspace, path, old, new, models)
    if to_stdout:
        click.echo(new, nl=False)
    elif target is not None:
        _write_new(target, new)
    elif old == new:
        show(f"{path}: is in today's words already")
    elif write or _confirmed(path):
        _overwrite(path, new)
    else:
        show("nothing was written: --write changes the file, --out FILE makes another")
    return code


def _read(path: Path) -> str:
    """The file as it is, with its line ends and its byte order mark."""
    from energyctl.config import settings

    if path.exists() and not path.is_file() and not path.is_dir():
        raise SettingsError(f"{path}: is no regular file")
    settings.read(path)  # whatever is wrong with it, in words
    return path.read_bytes().decode("utf-8")


def _target(workspace: Workspace, path: Path, out: str) -> Path:
    target = workspace.given(out)
    if target.exists() and target.samefile(path):
        raise SettingsError(f"--out {out}: is the old file; --write changes it")
    if target.exists():
        raise SettingsError(f"--out {out}: is there already; name another, or remove it")
    if not target.parent.is_dir():
        raise SettingsError(f"--out {out}: {target.parent} is no folder")
    return target


# -- questions ---------------------------------------------------------------------------------


def _decided(path: Path, text: str, prefer: Sequence[str]) -> Migration:
    """With every question answered that `--prefer` or, on a terminal, the user answers."""
    from energyctl.config import settings

    def preferred(question: Question) -> str | None:
        for given in reversed(prefer):
            where, _, choice = given.rpartition("=")
            here = not where or question.where == where or question.where.startswith(f"{where}.")
            if here and choice in question.choices:
                return choice
        return None

    def decide(question: Question) -> str | None:
        return answers.get(question.where) or preferred(question)

    answers: dict[str, str] = {}
    migration = settings.migrate(text, str(path), decide)
    while migration.questions and sys.stdin.isatty() and sys.stderr.isatty():
        more = _asked(path, migration.questions)
        if more is None:
            break
        answers.update(more)
        migration = settings.migrate(text, str(path), decide)
    return migration


def _asked(path: Path, questions: Iterable[Question]) -> dict[str, str] | None:
    """Each doubt once, for all its places; None where the user leaves it open."""
    alike: dict[tuple[str, tuple[str, ...]], list[Question]] = {}
    for question in questions:
        alike.setdefault((question.topic, tuple(question.choices)), []).append(question)
    answers: dict[str, str] = {}
    for (topic, choices), same in alike.items():
        show("", f"{topic}:", err=True)
        for line in _places(path, same):
            show(f"  {line}", err=True)
        choice = click.prompt(
            f"which, for {count(len(same), 'place')}",
            type=click.Choice([*choices, "quit"]),
            default="quit",
            err=True,
        )
        if choice == "quit":
            return None
        answers |= {question.where: choice for question in same}
    return answers


def _places(path: Path, questions: Sequence[Question]) -> Iterator[str]:
    for question in questions[:SHOWN_PLACES]:
        meanings = "; ".join(f"{name}: {text}" for name, text in question.choices.items())
        yield f"{path}:{question.line}: {question.where}: {meanings}"
    if len(questions) > SHOWN_PLACES:
        yield f"… and {len(questions) - SHOWN_PLACES} more"


def _undecided(path: Path, questions: Sequence[Question]) -> list[str]:
    lines = []
    for topic in dict.fromkeys(question.topic for question in questions):
        same = [question for question in questions if question.topic == topic]
        choices = dict.fromkeys(choice for question in same for choice in question.choices)
        lines += [f"{topic}:", *_places(path, same)]
        lines.append("decide with " + " or ".join(f"--prefer {choice}" for choice in choices))
    lines.append(
        f"{path}: nothing was written; --prefer '{questions[0].where}=…' decides one place alone"
    )
    return lines


# -- what is shown -----------------------------------------------------------------------------


def _say_changes(migration: Migration) -> None:
    """Each kind of change once, with the lines of the old file."""
    lines: dict[str, list[int]] = {}
    for change in migration.changes:
        lines.setdefault(change.text, []).append(change.line)
    for text, numbers in lines.items():
        shown = ", ".join(map(str, numbers[:SHOWN_PLACES])) + ", …" * (len(numbers) > SHOWN_PLACES)
        show(f"{text} (line{'s' * (len(numbers) > 1)} {shown})", err=True)


def _difference(path: Path, old: str, new: str) -> Iterator[str]:
    """A unified diff; lines end where JSON's do, not at every character that ends a line."""
    lines = difflib.unified_diff(
        old.split("\n"), new.split("\n"), str(path), f"{path} (migrated)", lineterm=""
    )
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in lines:
        yield click.style(line.rstrip("\r"), fg=colours.get(line[:1]))


def _check(workspace: Workspace, path: Path, old: str, new: str, models: str | None) -> int:
    """Says what is still wrong, and the runs before and after."""
    from energyctl.campaign.prepare import prepare
    from energyctl.config import settings

    registry = None if models is None else workspace.given(models)
    before, after = (
        prepare(workspace, settings.parse(text, str(path)), text, registry, 0)
        for text in (old, new)
    )
    show_problems(f"{path} (migrated)" if new != old else str(path), after.problems)
    show(f"before: {_counts(before)}; now: {_counts(after)}", err=True)
    return SettingsError.exit_code if after.plan is None else int(after.invalid)


def _counts(prepared: PreparedCampaign) -> str:
    if prepared.plan is None:
        errors = Counter(problem.severity for problem in prepared.problems)["error"]
        return f"no runs, {count(errors, 'error')} at the top"
    invalid = len(prepared.plan.invalid_experiments)
    runs = count(len(prepared.plan.runs), "run")
    return f"{runs}, {count(invalid, 'invalid experiment')}"


# -- what is written ---------------------------------------------------------------------------


def _confirmed(path: Path) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    question = f"write it to {path}, and keep the old one as {_backup(path).name}?"
    return click.confirm(question, default=False, err=True)


def _backup(path: Path) -> Path:
    number, backup = 1, path.with_name(f"{path.name}.bak")
    while backup.exists():
        number += 1
        backup = path.with_name(f"{path.name}.bak{number}")
    return backup


def _overwrite(path: Path, text: str) -> None:
    path = path.resolve()
    backup = _backup(path)
    shutil.copy2(path, backup)
    replace_text(path, text)
    show(f"{path}: written; the old one is {backup.name}")


def _write_new(path: Path, text: str) -> None:
    write_atomic(path, text)
    show(f"{path}: written")
