"""``methods.md``: what was measured and how, from the results, for the methods of a paper.

How runs were compared is the paragraph of ``energyctl compare --methods``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean, stdev

from energyctl.analysis.comparing import conditions_of
from energyctl.config import settings as settings_file
from energyctl.errors import SettingsError
from energyctl.integrations.bundle.contents import missing_runs
from energyctl.integrations.bundle.description import iso
from energyctl.results.api import Run, Runs
from energyctl.results.journal_schema import JournalHead
from energyctl.results.schema import WHOLE_MACHINE_NOTE
from energyctl.text import (
    ENERGY_UNITS,
    count,
    duration,
    energy_unit,
    first_of,
    number,
    percent,
    with_uncertainty,
)

METHODS = "methods.md"
HEAD = "| training | condition | n | energy | ± SD of runs | meters' band | duration |"


def methods_text(head: JournalHead, runs: Runs, drift: Sequence[str]) -> str:
    """As Markdown. drift: what the campaign's controls say."""
    good = analysed(runs)
    parts = [
        "# Methods",
        _measured(good),
        _contains(good),
        _procedure(head, runs, good),
        *_compared(runs),
        "\n".join(table(good)),
        "SD: standard deviation of the runs. Meters' band: the mean over the runs of the "
        "half-width that holds each total, as far as samples can tell; it is no standard "
        "deviation.",
        *_limits(head, runs, drift),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def analysed(runs: Runs) -> list[Run]:
    """Those whose figures are in the table."""
    return [run for run in runs if run.status == "succeeded" and not run.warm_up]


def _measured(runs: Sequence[Run]) -> str:
    versions = sorted({str(run.environment.get("energyctl")) for run in runs})
    sources = sorted(
        {
            f"{_kind(domain.kind)} by {domain.source}{'' if domain.measured else ' (estimated)'}"
            for run in runs
            for domain in (run.energy.domains if run.energy else ())
            if domain.in_total and domain.joules is not None
        }
    )
    intervals = sorted({float(v) for run in runs if (v := run.row.get("sample_interval_seconds"))})
    shares = [
        run.energy.uncertainty_joules / run.energy.total_joules
        for run in runs
        if run.energy and run.energy.total_joules and run.energy.uncertainty_joules is not None
    ]
    text = f"Energy was metered by energyctl {', '.join(versions)}"
    text += f": {'; '.join(sources)}" if sources else ", which could read no domain"
    if intervals:
        text += f". Counters were read every {' or '.join(f'{one:g} s' for one in intervals)}"
        text += ", and at each change of phase"
    if shares:
        text += f". The band of a run's total was at most {number(100 * max(shares), 2)} % of it"
    return f"{text}."


def _kind(kind: str | None) -> str:
    words = {"cpu": "CPU packages", "dram": "DRAM", "gpu": "GPUs"}
    return words.get(str(kind), "other domains")


def _contains(runs: Sequence[Run]) -> str:
    counted = {d.name for run in runs if run.energy for d in run.energy.domains if d.in_total}
    others = {d.name for run in runs if run.energy for d in run.energy.domains} - counted
    text = f"{WHOLE_MACHINE_NOTE} A total is of {', '.join(sorted(counted)) or 'no domain'}"
    if others:
        text += f"; measured beside it, and not added: {', '.join(sorted(others))}"
    text += (
        ". What these do not meter (power supply, fans, disks, board and network, as far as no "
        "meter of the whole machine is among them) is not in it"
    )
    if any(phase.name == "idle" for run in runs for phase in run.phases):
        text += (
            ". Idle power was taken before the background started, and is not subtracted from a "
            "total"
        )
    return f"{text}."


def _procedure(head: JournalHead, runs: Runs, good: Sequence[Run]) -> str:
    planned, blocks = len(head["runs"]), len({run.block for run in good if run.block is not None})
    states = Counter(run.status for run in runs)
    text = f"{count(planned, 'run')} planned, {count(len(runs), 'result')}"
    text += f" ({', '.join(f'{n} {name}' for name, n in sorted(states.items()))})"
    if blocks:
        text += f", in {count(blocks, 'block')}: one set of values and one training seed each"
    if warm_ups := sum(run.warm_up for run in runs):
        text += f"; {count(warm_ups, 'warm-up run')} left out of every figure"
    text += f". {_drawn(head)}"
    checked = settings_file.check(settings_file.parse(head["settings"], head["settings_name"]))
    if (found := checked.settings) is not None:
        text += (
            f"; idle {found.idle_seconds:g} s before each run, cool-down {found.cooldown_seconds:g}"
            f" s after it, {count(found.max_retries, 'further attempt')} at most after a failed one"
        )
    starts = [run.started for run in runs if run.started is not None]
    ends = [run.ended for run in runs if run.ended is not None]
    if starts and ends:
        text += f". Runs from {iso(min(starts))} to {iso(max(ends))}"
    covered = [job.coverage for run in good for job in run.jobs if job.coverage is not None]
    if covered:
        text += f". Background jobs covered {percent(min(covered))} of a training or more"
    return f"{text}."


def _drawn(head: JournalHead) -> str:
    """Where the values come from."""
    seed, wanted = head["seed"], head.get("search")
    if wanted is None:
        return f"Values and orders were drawn with seed {seed}"
    text = f"It was a search of at most {count(int(wanted['trials']), 'trial')}"
    if wanted["sampler"] == "random":
        return f"{text}: values and orders were drawn with seed {seed}"
    return (
        f"{text}: values of the first ones were drawn with seed {seed}, those of later ones were "
        "proposed by Optuna (tree-structured Parzen estimator) by the results before them, so "
        "energies of different trials are no independent draws"
    )


def _compared(runs: Runs) -> list[str]:
    try:
        study = conditions_of(runs)
    except SettingsError:  # without SciPy: what was measured is told all the same
        return []
    if study is None or not study.comparisons:
        return []
    from energyctl.analysis.compare import methods_text as of_comparison

    return [of_comparison(study)]


def table(runs: Iterable[Run]) -> list[str]:
    """A row for each training and condition, all in one unit."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((f"{run.repository}/{run.model}", run.condition), []).append(run)
    totals = {name: _totals(found) for name, found in groups.items()}
    unit = energy_unit([fmean(one) for one in totals.values() if one])
    rows = [HEAD, "|---|---|---|---|---|---|---|"]
    for (training, condition), found in sorted(groups.items()):
        joules = totals[training, condition]
        spread = stdev(joules) if len(joules) > 1 else None
        bands = [
            run.energy.uncertainty_joules
            for run in found
            if run.energy and run.energy.uncertainty_joules is not None
        ]
        band = fmean(bands) if bands else None
        estimated = not all(run.energy is None or run.energy.measured for run in found)
        mean = "not known"
        if joules:
            mean = _energy(fmean(joules), min(filter(None, (spread, band)), default=None), unit)[0]
        cells = (
            training,
            condition,
            str(len(found)),
            mean + " (estimated)" * (estimated and bool(joules)),
            "" if spread is None else _energy(spread, spread, unit)[-1],
            "" if band is None else _energy(band, band, unit)[-1],
            _seconds([s for run in found if (s := run.row.get("duration_seconds")) is not None]),
        )
        rows.append(f"| {' | '.join(one.replace('|', '/') for one in cells)} |")
    return rows


def _energy(joules: float, uncertainty: float | None, unit: str) -> list[str]:
    """Value and uncertainty, as the project shows them, each with its unit."""
    factor = ENERGY_UNITS[unit]
    parts = with_uncertainty(joules / factor, uncertainty and uncertainty / factor)
    return [f"{part} {unit}" for part in parts]


def _totals(runs: Iterable[Run]) -> list[float]:
    return [
        run.energy.total_joules
        for run in runs
        if run.energy is not None and run.energy.total_joules is not None
    ]


def _seconds(values: Sequence[float]) -> str:
    if not values:
        return ""
    spread = stdev(values) if len(values) > 1 else None
    if spread is None or not math.isfinite(spread):
        return duration(values[0])
    return f"{' ± '.join(with_uncertainty(fmean(values), spread))} s"


def _kind_of(warning: str) -> str:
    """What it is of, without the figures and names of its case, that like ones be counted."""
    return re.sub(r"-?\d+(\.\d+)?", "…", warning.partition(": ")[0])


def _limits(head: JournalHead, runs: Runs, drift: Sequence[str]) -> list[str]:
    """What keeps the figures from being taken for more than they are."""
    lines = []
    if any(run.energy is not None and run.energy.measured is False for run in runs):
        lines.append("A part of the totals is an estimate, not a measurement: it is labelled so.")
    if lacking := missing_runs(head, runs):
        lines.append(f"{count(lacking, 'planned run')} without a result here.")
    failed = [run.experiment_id for run in runs if run.status != "succeeded"]
    if failed:
        lines.append(f"Not in the table, since they did not succeed: {first_of(failed, 5)}.")
    lines += drift
    seen = Counter(kind for run in runs for kind in dict.fromkeys(map(_kind_of, run.warnings)))
    lines += [
        f"{count(number_of, 'run')} warned: {kind}."
        for kind, number_of in sorted(seen.items(), key=lambda item: (-item[1], item[0]))
    ]
    if seen:
        lines.append("The warnings stand in full in the results.")
    return ["## Limits", "\n".join(f"- {line}" for line in lines)] if lines else []
