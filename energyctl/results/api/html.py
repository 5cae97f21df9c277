"""Runs as HTML for notebooks, light and dark: no colours but those of the page, and of domains in
the charts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from energyctl.results.api.parts import RunDomain, RunJob
from energyctl.results.domain_marks import colours_of, dashes_of
from energyctl.results.tables import Row
from energyctl.text import count, duration, energy, energy_unit, power, present, values, work

if TYPE_CHECKING:
    import polars

MOST_ROWS = 60
WIDTH, HEIGHT = 640, 90


def total(row: Row, unit: str | None = None) -> str:
    """Total energy of a row of the table `runs`; an estimate is named one."""
    if row["total_joules"] is None:
        return "energy not known"
    band, measured = row["total_uncertainty_joules"], row["energy_measured"]
    return energy(row["total_joules"], band, measured=measured, unit=unit)


def run_html(
    row: Row,
    hyperparameters: Mapping[str, Any],
    metrics: Mapping[str, float],
    domains: Sequence[RunDomain],
    jobs: Sequence[RunJob],
    warnings: Sequence[str],
    samples: polars.DataFrame | None,
) -> str:
    """What it was, what it took, and its power over time; samples: timestamp, domain, watts."""
    head = f"<b>{escape(str(row['experiment_id']))}</b> · {escape(str(row['status']))}"
    facts = [
        ("training", _training(row)),
        ("condition", row["condition"] + (", warm-up" if row["warm_up"] else "")),
        ("energy", total(row)),
        ("at the wall", _wall(row)),
        ("duration", duration(row["energy_seconds"])),
        ("hyper-parameters", values(hyperparameters)),
        ("metrics", values(metrics)),
        *((f"background {job.name}", _presence(job)) for job in jobs),
        *(("warning", line) for line in warnings),
    ]
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(text)}</td></tr>"
        for name, text in facts
        if text
    )
    return f"<div>{head}<table>{rows}</table>{_domains(domains)}{_power(samples)}</div>"


def _wall(row: Row) -> str:
    """By a calibration of the machine; empty where there is none."""
    note = row.get("wall_note") or ""
    if row.get("wall_joules_estimated") is None:
        return note and f"not known: {note}"
    band = row["wall_uncertainty_joules_estimated"]
    return f"{energy(row['wall_joules_estimated'], band)}, {note}"


def _training(row: Row) -> str:
    return f"{row['repository']} / {row['model']}"


def _domains(domains: Sequence[RunDomain]) -> str:
    unit = energy_unit(one.joules for one in domains)
    body = "".join(
        "<tr>"
        + _cell(one.name)
        + _cell(
            energy(one.joules, one.uncertainty_joules, measured=one.measured, unit=unit),
            one.missing,
            True,
        )
        + _cell("" if one.in_total else "not in the total")
        + "</tr>"
        for one in domains
    )
    return f"<table><tr><th>domain</th><th>energy</th><th></th></tr>{body}</table>" if body else ""


def runs_html(rows: Sequence[Row], problems: Iterable[str]) -> str:
    """A row per run, of the table `runs`; of many, the first ones."""
    head = "".join(
        f"<th>{name}</th>"
        for name in ("run", "training", "condition", "status", "duration", "energy", "warnings")
    )
    shown = rows[:MOST_ROWS]
    unit = energy_unit(row["total_joules"] for row in shown)
    body = "".join(
        "<tr>"
        + _cell(str(row["experiment_id"]))
        + _cell(_training(row))
        + _cell(row["condition"] + (", warm-up" if row["warm_up"] else ""))
        + _cell(str(row["status"]))
        + _cell(duration(row["energy_seconds"]), number=True)
        + _cell(total(row, unit), row["energy_missing"], True)
        + _cell(str(row["warning_count"]), row["warnings"], True)
        + "</tr>"
        for row in shown
    )
    more = f"<p>… and {len(rows) - MOST_ROWS} more</p>" if len(rows) > MOST_ROWS else ""
    left = "".join(f"<p>left out: {escape(line)}</p>" for line in problems)
    return f"<div><table><tr>{head}</tr>{body}</table>{more}{left}</div>"


def _cell(text: str, title: str | None = None, number: bool = False) -> str:
    hint = f" title='{escape(title, quote=True)}'" if title else ""
    style = "text-align:right;white-space:nowrap" if number else "text-align:left"
    return f"<td style='{style}'{hint}>{escape(text)}</td>"


def _presence(job: RunJob) -> str:
    iterations = "" if job.iterations is None else count(job.iterations, "iteration")
    there = present(job.coverage, job.max_gap_seconds, job.load)
    did = work(job.work, job.work_uncertainty, job.work_unit)
    return ", ".join(part for part in (iterations, there, did and f"did {did}") if part)


def _power(samples: polars.DataFrame | None) -> str:
    """Power of each domain over time, in tone and dashes of the charts, with a key to each line."""
    samples = None if samples is None else samples.drop_nulls()
    if samples is None or samples.height < 2:
        return ""
    begin, end = (float(samples["timestamp"].item(at)) for at in (0, -1))
    high = float(samples["watts"].sort().item(-1)) or 1.0
    domains = sorted(samples["domain"].unique().to_list())
    lines, keys = [], []
    for domain, tone, dash in zip(domains, colours_of(domains), dashes_of(domains), strict=True):
        part = samples.filter(samples["domain"] == domain)
        points = _points(part["timestamp"].to_list(), part["watts"].to_list(), begin, end, high)
        drawn = f"fill='none' stroke='{tone}' stroke-width='1.5' stroke-dasharray='{_dashed(dash)}'"
        lines.append(f"<polyline points='{points}' {drawn}/>")
        line = f"<svg width='34' height='8'><polyline points='0,4 34,4' {drawn}/></svg>"
        keys.append(f"<span style='white-space:nowrap'>{line} {escape(str(domain))}</span>")
    label = f"power over {duration(end - begin)}, 0 to {power(high)}"
    named = escape(f"{label}: {', '.join(map(str, domains))}", quote=True)
    return (
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' height='{HEIGHT}' role='img' "
        f"aria-label='{named}'>{''.join(lines)}</svg><div>{label}: {' &nbsp; '.join(keys)}</div>"
    )


def _dashed(dash: Sequence[int]) -> str:
    return "none" if dash == [1, 0] else " ".join(map(str, dash))


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
