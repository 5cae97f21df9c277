"""Runs that failed: where their output is and how it ends, and how many fail in a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from energyctl.results.schema import Result
from energyctl.system import logs
from energyctl.text import printable

SHOWN_LINES = 5


def told(result: Result, folder: Path, later: Path | None = None) -> Iterator[str]:
    """The log of a failed run, which lies in *folder* (and *later* there), and its last lines;
    nothing of another run."""
    log = result["foreground_result"]["log"]
    if result["status"] == "failed" and log is not None:
        yield f"its log: {(later or folder) / log}"
        yield from (f"> {printable(line)}" for line in logs.last_lines(folder / log, SHOWN_LINES))


@dataclass
class FailuresInARow:
    """Of each training, by its repository and model; *most*: None where they do not matter."""

    most: int | None
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, result: Result, folder: Path) -> tuple[str, ...]:
        """Why to stop, in lines, where this was one too many; its files lie in *folder*."""
        training = result["foreground_result"]
        key = training["repo"], training["model"]
        self._counts[key] = self._counts[key] + 1 if result["status"] == "failed" else 0
        if self.most is None or self._counts[key] < self.most:
            return ()
        runs = "a run" if self.most == 1 else f"{self.most} runs in a row"
        return (
            f"paused: {runs} of {key[0]} / {key[1]} failed (stop_after_failures): "
            f"{training['error']}",
            *told(result, folder),
        )
