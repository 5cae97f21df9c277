"""A campaign across the nodes of a cluster, in words: for ``status``, ``watch`` and ``collect``."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from energyctl.results.phases import phase_words
from energyctl.slurm.overview import LIMITED, Overview, RunNow
from energyctl.text import count, duration, energy, energy_unit, one_line, power, printable

STYLES = {"succeeded": "green", "failed": "red", "running": "bold", "missing": "yellow"}
SHOWN_RUNS = 40
OLD_SECONDS = 60.0
"""A task tells each few seconds how it stands."""


def headline(seen: Overview) -> str:
    """``study: 12 of 30 runs finished (1 failed), 3 running on 3 nodes, 15 waiting``."""
    done = seen.count("succeeded", "failed")
    text = f"{seen.name}: {done} of {count(len(seen.runs), 'run')} finished"
    if seen.count("failed"):
        text += f" ({seen.count('failed')} failed)"
    running = seen.count("running", "starting")
    if running:
        text += f", {running} running on {count(seen.nodes, 'node')}"
    for state in ("waiting", "missing", "unknown"):
        number = seen.count(state)
        text += f", {number} {state}" if number else ""
    if seen.superseded:
        text += f", {count(seen.superseded, 'result')} superseded"
    return text


def seconds_left(seen: Overview) -> float | None:
    """How long it will take, by the runs that are done and the nodes that are at work; None where
    that cannot be told."""
    left = seen.count("waiting", "starting", "running")
    if not left or not seen.nodes or not seen.seconds_of_runs:
        return None
    return math.ceil(left / seen.nodes) * statistics.median(seen.seconds_of_runs)


def status_lines(seen: Overview) -> list[str]:
    """For ``status``."""
    lines = [f"cluster     {headline(seen)}"]
    left = seconds_left(seen)
    if left is not None:
        lines.append(f"left        about {duration(left)}, with as many nodes as now")
    if seen.jobs:
        lines.append(f"jobs        {', '.join(seen.jobs)}")
    unit = _unit(seen)
    chosen = _chosen(seen, SHOWN_RUNS)
    lines += [f"run {run.index:<7} {' '.join(_cells(run, unit))}" for run in chosen]
    hidden = len(seen.runs) - len(chosen)
    if hidden:
        lines.append(f"            … and {count(hidden, 'more run')} (--json has all)")
    return lines + [f"            {line}" for line in advice(seen)]


def advice(seen: Overview) -> list[str]:
    """What is wrong, and what to do about it."""
    lines = []
    if seen.queue_problem is not None:
        lines.append(f"the queue is not known: {seen.queue_problem}")
    missing = [run for run in seen.runs if run.state == "missing"]
    if missing:
        numbers = f"run {missing[0].index}" if len(missing) == 1 else count(len(missing), "run")
        lines.append(f"{numbers} neither finished nor in the queue; submit what is missing with:")
        lines.append(seen.resume)
    held = [run.job or "" for run in seen.runs if run.held]
    if held:
        lines.append(f"Slurm holds {', '.join(dict.fromkeys(held))} after a start that failed;")
        lines.append(f"release with: {seen.resume}")
    limited = [run for run in missing if run.tried == LIMITED]
    if limited:
        lines.append(
            f"{count(len(limited), 'run')} ended by the time limit: --sbatch time=… gives more"
        )
    for node in dict.fromkeys(run.refused_by for run in missing if run.refused_by):
        runs = [run for run in missing if run.refused_by == node]
        lines.append(f"{node} refused {count(len(runs), 'run')}: {one_line(runs[-1].note or '')}")
        lines.append(f"without it: {seen.resume} --sbatch exclude={node}")
    return lines


def _chosen(seen: Overview, most: int) -> Sequence[RunNow]:
    """Those that a reader asks for first: what is at work or wrong, then what comes, then done."""
    order = ("running", "starting", "missing", "failed", "unknown", "waiting", "succeeded")
    if len(seen.runs) <= most:
        return seen.runs
    ranked = sorted(seen.runs, key=lambda run: (order.index(run.state), run.index))
    return sorted(ranked[:most], key=lambda run: run.index)


def _unit(seen: Overview) -> str:
    return energy_unit(run.joules for run in seen.runs)


def _energy(run: RunNow, unit: str) -> str:
    return energy(run.joules, run.uncertainty_joules, measured=run.measured, unit=unit)


def _cells(run: RunNow, unit: str) -> list[str]:
    cells = [run.title, run.state]
    if run.node and run.state != "waiting":
        cells.append(f"on {run.node}")
    if run.phase is not None:
        cells.append(phase_words(run.phase))
    if run.state in ("succeeded", "failed"):
        cells.append(duration(run.seconds))
        cells.append(_energy(run, unit))
    if run.state == "waiting" and run.note:
        cells.append(f"({run.note})")
    if run.state == "missing" and run.tried:
        cells.append(f"({run.tried})")
    if run.state == "running" and (run.age_seconds or 0) > OLD_SECONDS:
        cells.append(f"(as of {duration(run.age_seconds)} ago)")
    if run.attempts > 1:
        cells.append(f"begun {run.attempts} times")
    return cells


def run_table(seen: Overview, most: int) -> Table:
    """The runs, one a row."""
    table, unit = Table(box=None, pad_edge=False, show_edge=False), _unit(seen)
    for name in ("run", "training", "state", "node", "phase or time", "energy or power"):
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    for run in _chosen(seen, most):
        watts = [value for value in run.watts.values() if value is not None]
        figure, phase = "", duration(run.seconds) if run.seconds is not None else ""
        if run.state in ("succeeded", "failed"):
            figure = _energy(run, unit)
        elif run.state == "running":
            phase = phase_words(run.phase or "")
            figure = power(sum(watts)) if watts else ""
        elif run.note:
            phase = one_line(run.note)
        state = run.state + (f" ({run.attempts})" if run.attempts > 1 else "")
        styled = Text(state, style=STYLES.get(run.state, ""))
        table.add_row(str(run.index), run.title, styled, run.node, phase, figure)
    return table


def screen(seen: Overview, height: int) -> Group:
    """For ``watch`` and ``collect`` on a terminal of that many lines."""
    total = len(seen.runs)
    done = seen.count("succeeded", "failed")
    full = round(40 * done / total) if total else 0
    line = Text("━" * full, style="green").append("━" * (40 - full), style="dim")
    left = seconds_left(seen)
    if left is not None:
        line.append(f"  about {duration(left)} left", style="default")
    sentences = [Text(printable(sentence), style="yellow") for sentence in advice(seen)]
    table = run_table(seen, max(1, height - 4 - len(sentences)))
    return Group(Text(printable(headline(seen)), style="bold"), line, table, *sentences)


def plain(seen: Overview) -> str:
    """One line, for logs and pipes."""
    left = seconds_left(seen)
    more = "" if left is None else f"; about {duration(left)} left"
    problem = "" if seen.queue_problem is None else f"; {seen.queue_problem}"
    return headline(seen) + more + problem
