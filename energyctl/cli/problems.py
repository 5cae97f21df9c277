"""Problems of settings and registries, as a command shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from energyctl.cli.output.lines import show

if TYPE_CHECKING:
    from energyctl.config.settings import Problem


def show_problems(name: str, problems: Iterable[Problem]) -> None:
    """Every problem on a line of its own, as ``file:line: …``."""
    for problem in problems:
        line = f":{problem.line}" if problem.line else ""
        show(f"{name}{line}: {problem.severity}: {problem.sentence}", err=True)
