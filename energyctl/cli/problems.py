"""What a command says on standard error beside its output."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from energyctl.config.settings import Problem


def say(line: str) -> None:
    click.echo(f"energyctl: {line}", err=True)


def show_problems(name: str, problems: Iterable[Problem]) -> None:
    """Every problem on a line of its own, as ``file:line: …``."""
    for problem in problems:
        line = f":{problem.line}" if problem.line else ""
        print(f"{name}{line}: {problem.severity}: {problem.sentence}", file=sys.stderr)
