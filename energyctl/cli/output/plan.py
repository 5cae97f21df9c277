"""A plan in the terminal and as JSON: a row for each run.

The lines are laid out here: a plan may have 100,000 runs, for which rich would take minutes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from rich.cells import cell_len, chop_cells
from rich.segment import Segment, Segments

from energyctl import text
from energyctl.cli.output.console import LineConsole
from energyctl.config.places import ANYWHERE, Place
from energyctl.config.plan import BackgroundJob, Plan, Run

_GAP = "   "
_LEAST_WIDTH = 12
_CHUNK = 500
"""Lines that are printed at once."""


def show_table(
    console: LineConsole, runs: Sequence[Run], estimates: Sequence[float | None], most: int
) -> None:
    """One row a run, *most* of them: its block, condition, training and values, and how long it
    takes."""
    blocks = any(run.block is not None or run.warm_up for run in runs)
    header = ["run", *(["block"] if blocks else []), "mode", "condition", "foreground", "values"]
    rows = [
        _cells(run, seconds, blocks)
        for run, seconds in zip(runs[:most], estimates[:most], strict=True)
    ]
    lines = _lines([*header, "takes"], rows, console.width)
    while chunk := list(islice(lines, _CHUNK)):
        whole = Segment("".join(f"{line}\n" for line in chunk))
        console.print(Segments([whole]), end="", crop=False)


def _cells(run: Run, seconds: float | None, blocks: bool) -> tuple[str, ...]:
    training = run.foreground
    block = "warm-up" if run.warm_up else "" if run.block is None else str(run.block)
    values = {**training.hyperparameters, **run.machine}
    varied = (*run.grid, *run.mutated)
    return (
        str(run.index),
        *((block,) if blocks else ()),
        run.mode,
        text.printable(condition_words(run)),
        text.printable(f"{training.repo} / {training.model}{_on([run.place])}"),
        text.printable(
            text.values(values, (*dict.fromkeys((*varied, *run.machine)),) if varied else None)
        ),
        "?" if seconds is None else f"~{text.short_duration(seconds)}",
    )


def condition_words(run: Run) -> str:
    """Its label, and what it stands for where that does not say it; places included."""
    jobs = ", ".join(map(_job_words, run.background))
    if run.condition != run.derived_condition:
        return f"{run.condition}: {jobs}" if jobs else run.condition
    return f"beside {jobs}" if jobs else run.condition


def _job_words(job: BackgroundJob) -> str:
    copies = f" x{job.copies}" if job.copies > 1 else ""
    return f"{job.training.repo} / {job.training.model}{copies}{_on(job.places)}"


def _on(places: Sequence[Place]) -> str:
    """`` on GPU 1, CPUs 0-7``; of copies that are placed apart, one after the other."""
    if all(place is ANYWHERE for place in places):
        return ""
    words = list(dict.fromkeys(place.words or "any" for place in places))
    return "" if words in ([], ["any"]) else f" on {'; '.join(words)}"


def _lines(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """The table, in columns of one width; what does not fit in *width* goes on below."""
    widths = [max(map(_width, column)) for column in zip(header, *rows, strict=True)]
    room = width - len(_GAP) * (len(widths) - 1) - 1
    while sum(widths) > room and max(widths) > _LEAST_WIDTH:
        widest = widths.index(max(widths))
        widths[widest] = max(_LEAST_WIDTH, widths[widest] - (sum(widths) - room))
    yield ""
    yield from _row(header, widths)
    yield " " + "─" * (sum(widths) + len(_GAP) * (len(widths) - 1))
    for row in rows:
        yield from _row(row, widths)
    yield ""


def _row(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    if all(map(_fits, cells, widths)):
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        yield (" " + _GAP.join(padded)).rstrip()
        return
    columns = [_folded(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for number in range(max(map(len, columns))):
        parts = [
            _padded(lines[number] if number < len(lines) else "", width)
            for lines, width in zip(columns, widths, strict=True)
        ]
        yield (" " + _GAP.join(parts)).rstrip()


def _fits(cell: str, width: int) -> bool:
    """Whether it is one line, of characters that each take one cell."""
    return cell.isascii() and len(cell) <= width


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - _width(cell))


def _width(cell: str) -> int:
    return len(cell) if cell.isascii() else cell_len(cell)


def _folded(cell: str, width: int) -> list[str]:
    """In lines of that width, between words where that can be."""
    if _width(cell) <= width:
        return [cell]
    lines = [""]
    for word in cell.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if _width(longer) <= width:
            lines[-1] = longer
        else:
            lines += chop_cells(word, width)
    return [line for line in lines if line]


def json_lines(plan: Plan, more: dict[str, Any]) -> Iterator[str]:
    """The JSON document of a plan, with a line for each run; *more*: further keys at its end."""
    yield '{\n  "runs": ['
    for number, run in enumerate(plan.runs, 1):
        comma = "," if number < len(plan.runs) else ""
        yield f"    {text.json_text(run.to_json(), indent=None)}{comma}"
    yield "  ],"
    rest = {**replace(plan, runs=()).to_json(), **more}
    del rest["runs"]
    yield text.json_text(rest).removeprefix("{\n")
