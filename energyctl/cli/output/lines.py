"""What commands print, line by line: whatever a line holds, a terminal shows it as one."""

from __future__ import annotations

import functools

import click

from energyctl.text import printable


def show(*lines: str, err: bool = False) -> None:
    """On standard output, or standard error."""
    for line in lines:
        click.echo(printable(line), err=err)


def say(line: str) -> None:
    """What a command says on standard error beside its output."""
    show(f"energyctl: {line}", err=True)


@functools.cache
def say_once(line: str) -> None:
    """What was said already is not said again."""
    say(line)
