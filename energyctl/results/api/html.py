"""Runs as HTML for notebooks, light and dark: no colours but those of the page. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from energyctl.errors import SettingsError

if TYPE_CHECKING:
    from energyctl.results.api.run import Run, RunEnergy
    from energyctl.results.api.runs import Runs

MOST_ROWS = 60
WIDTH, HEIGHT = 640, 90
DASHES = ("", "6 3", "2 2", "8 3 2 3", "1 3")


def joules(value: float | None, band: float | None = None) -> str:
    """``12.34 ± 0.05 kJ``; a dash for what is not known."""
    if value is None:
        return "–"
    scale, unit = (
        (1e6, "MJ") if abs(value) >= 1e7 else (1e3, "kJ") if abs(value) >= 1e4 else (1, "J")
    )
    text = f"{value / scale:.2f}"
    return f"{text} {unit}" if band is None else f"{text} ± {band / scale:.2f} {unit}"


def total(run: Run) -> str:
    """Energy in all; an estimate is named one."""
    energy = run.energy
    if energy is None or energy.total_joules is None:
        return "energy not known"
    return joules(energy.total_joules, energy.uncertainty_joules) + _estimate(energy.measured)


def _estimate(measured: bool | None) -> str:
    return "" if measured else " (estimated)"


def run_html(run: Run) -> str:
    """What it was, what it took, and its power over time."""
    head = f"<b>{escape(run.experiment_id)}</b> · {escape(run.status)}"
    facts = [
        ("training", f"{run.repository} / {run.model}" + (f", {run.mode}" if run.mode else "")),
        ("energy", total(run)),
        ("duration", _seconds(None if run.energy is None else run.energy.seconds)),
        ("hyper-parameters", _listed(run.hyperparameters)),
        ("metrics", _listed(run.metrics)),
        *((f"background {job.name}", _presence(job)) for job in run.jobs),
        *(("warning", line) for line in run.warnings),
    ]
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(text)}</td></tr>"
        for name, text in facts
        if text
    )
    domains = "" if run.energy is None else _domains(run.energy)
    return f"<div>{head}<table>{rows}</table>{domains}{_power(run)}</div>"


def _domains(energy: RunEnergy) -> str:
    body = "".join(
        "<tr>"
        + _cell(one.name)
        + _cell(
            joules(one.joules, one.uncertainty_joules) + _estimate(one.measured), one.missing, True
        )
        + _cell("" if one.in_total else "not in the total")
        + "</tr>"
        for one in energy.domains
    )
    return f"<table><tr><th>domain</th><th>energy</th><th></th></tr>{body}</table>" if body else ""


def runs_html(runs: Runs) -> str:
    """A row per run; of many, the first ones."""
    head = "".join(
        f"<th>{name}</th>"
        for name in ("run", "training", "mode", "status", "duration", "energy", "warnings")
    )
    rows = "".join(
        "<tr>"
        + _cell(run.experiment_id)
        + _cell(f"{run.repository} / {run.model}")
        + _cell(run.mode or "–")
        + _cell(run.status)
        + _cell(_seconds(None if run.energy is None else run.energy.seconds), number=True)
        + _cell(total(run), None if run.energy is None else run.energy.missing, True)
        + _cell(str(len(run.warnings)), "\n".join(run.warnings), True)
        + "</tr>"
        for run in list(runs)[:MOST_ROWS]
    )
    more = f"<p>… and {len(runs) - MOST_ROWS} more</p>" if len(runs) > MOST_ROWS else ""
    left = "".join(f"<p>left out: {escape(line)}</p>" for line in runs.problems)
    return f"<div><table><tr>{head}</tr>{rows}</table>{more}{left}</div>"


def _cell(text: str, title: str | None = None, number: bool = False) -> str:
    hint = f" title='{escape(title, quote=True)}'" if title else ""
    return f"<td style='text-align:{'right' if number else 'left'}'{hint}>{escape(text)}</td>"


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds:.1f} s" if seconds < 3600 else time.strftime("%H:%M:%S", time.gmtime(seconds))


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )


def _presence(job: Any) -> str:
    known = (
        ("iterations", job.iterations, "{}"),
        ("covered", job.coverage, "{:.1%}"),
        ("longest gap", job.max_gap_seconds, "{:.2f} s"),
        ("busy", job.load, "{:.0%}"),
    )
    return ", ".join(f"{name} {form.format(v)}" for name, v, form in known if v is not None)


def _power(run: Run) -> str:
    """Power of each domain over time as lines of the text's own colour, told apart by dashes."""
    try:
        samples = run.power().drop_nulls()
    except SettingsError:  # DataFrames are not installed: the figures alone
        return ""
    if samples.height < 2:
        return ""
    begin, end = (float(samples["timestamp"].item(at)) for at in (0, -1))
    high = float(samples["watts"].sort().item(-1)) or 1.0
    lines, names = [], []
    for number, domain in enumerate(samples["domain"].unique(maintain_order=True).to_list()):
        part = samples.filter(samples["domain"] == domain)
        dash = DASHES[number % len(DASHES)]
        points = _points(part["timestamp"].to_list(), part["watts"].to_list(), begin, end, high)
        lines.append(
            f"<polyline points='{points}' fill='none' stroke='currentColor' "
            f"stroke-dasharray='{dash}'/>"
        )
        names.append(f"{escape(str(domain))} {'solid' if not dash else f'dashed {dash}'}")
    label = f"power over {end - begin:.0f} s, 0 to {high:.0f} W: {'; '.join(names)}"
    return (
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' height='{HEIGHT}' role='img' "
        f"aria-label='{escape(label, quote=True)}'>{''.join(lines)}</svg><div>{label}</div>"
    )


def _points(
    times: Sequence[float], watts: Sequence[float], begin: float, end: float, high: float
) -> str:
    """The highest and the lowest value of each pixel's column, so that no peak is lost."""
    columns: dict[int, list[float]] = {}
    for at, value in zip(times, watts, strict=True):
        columns.setdefault(int((at - begin) / max(end - begin, 1e-9) * WIDTH), []).append(value)
    chosen: Iterable[tuple[int, float]] = (
        (x, value)
        for x, inside in columns.items()
        for value in (dict.fromkeys((inside[0], max(inside), min(inside), inside[-1])))
    )
    return " ".join(f"{x},{HEIGHT - 1 - value / high * (HEIGHT - 2):.1f}" for x, value in chosen)
