"""The specifications of a page's charts; where X and Y stand, the page puts names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from energyctl.analysis import charts
from energyctl.analysis.charts import chart_data, level_charts, tradeoff_charts
from energyctl.analysis.charts.plots import NAMED_RUNS
from energyctl.analysis.report.compared import ComparedSection
from energyctl.analysis.report.factors import FactorSection
from energyctl.analysis.report.languages import Language
from energyctl.results.pairs import PARTS
from energyctl.results.tables import Row
from energyctl.text import energy_unit

if TYPE_CHECKING:
    from energyctl.results.api import Run

X, Y = "\ue000x\ue001", "\ue000y\ue001"
"""Stand in a chart for what is chosen on the page."""
SAVING = 40.0
"""Height of a condition in the chart of savings, in pixels."""


def level_specs(found: level_charts.LevelChart | None, t: Language) -> dict[str, Any]:
    """The first figure and its rows."""
    if found is None:
        return {"levels": None}
    spec = t.chart(specification(level_charts.levels(found)))
    return {"levels": {"rows": found.rows, "unit": found.unit, "spec": spec}}


def compared_specs(section: ComparedSection | None, t: Language) -> dict[str, Any]:
    """Two charts for each comparison, and the rows of all of them."""
    if section is None:
        return {"compared": {"rows": {}, "charts": []}}
    drawn = [(charts.block_lines(panel), charts.block_ratios(panel)) for panel in section.panels]
    specs = [[t.chart(specification(chart)) for chart in pair] for pair in drawn]
    return {"compared": {"rows": section.rows, "charts": specs}}


def factor_specs(
    sections: Sequence[FactorSection], conditions: Iterable[str], t: Language
) -> dict[str, Any]:
    """A chart for each factor, with its rows."""
    drawn = [tradeoff_charts.tradeoff_chart(one.factors, conditions) for one in sections]
    specs = [t.chart(specification(tradeoff_charts.tradeoff(one))) for one in drawn]
    return {
        "factors": [
            {"rows": one.rows, "spec": spec} for one, spec in zip(drawn, specs, strict=True)
        ]
    }


def share_specs(found: charts.ShareChart | None, t: Language) -> dict[str, Any]:
    """Two charts, and their rows."""
    if found is None:
        return {"shares": None}
    height = SAVING * len(found.saved)
    drawn = {
        "c-shares": charts.share_bars(found),
        "c-savings": charts.savings(found, height=height),
    }
    specs = {id: _parts(t.chart(specification(one)), t) for id, one in drawn.items()}
    rows = {name: [_named(row, t) for row in of] for name, of in found.rows.items()}
    return {"shares": {"rows": rows, "charts": specs}}


def _named(row: Row, t: Language) -> Row:
    return {k: t(v) if k in ("part", "text", "of") else v for k, v in row.items()}


def _parts(spec: Any, t: Language) -> Any:
    """A specification in which the parts of an energy are called as in its rows."""
    if isinstance(spec, list):
        return [t(one) for one in spec] if spec == list(PARTS) else [_parts(o, t) for o in spec]
    if isinstance(spec, dict):
        return {key: _parts(value, t) for key, value in spec.items()}
    return spec


def run_specs(runs: Sequence[Run], t: Language) -> tuple[list[int], list[dict[str, Any]]]:
    """For each run the number of its charts: runs of the same domains, jobs and series share
    them."""
    numbers: dict[tuple[Any, ...], int] = {}
    specs, shapes = list[dict[str, Any]](), list[int]()
    for run in runs:
        domains, estimated = map(tuple, chart_data.total_domains(run))
        series = tuple(dict.fromkeys(row["metric"] for row in run.rows("series")))
        shape = (domains, estimated, tuple(job.name for job in run.jobs), series)
        if shape not in numbers:
            numbers[shape] = len(specs)
            specs.append(t.chart(_of_shape(*shape)))
        shapes.append(numbers[shape])
    return shapes, specs


def _of_shape(
    domains: Sequence[str], estimated: Sequence[str], jobs: Sequence[str], series: Sequence[str]
) -> dict[str, Any]:
    ordered = charts.domain_names([{"domain": name} for name in domains])
    drawn = {
        "power": charts.run_power(ordered, title="Time in the run (s)", estimated=estimated),
        **{f"series {n}": charts.run_series(name, title="") for n, name in enumerate(series)},
        "iterations": charts.run_iterations(jobs, title="", y_title="\u00a0", above=True),
        "temperature": charts.run_temperature(title=""),
        "utilization": charts.run_utilization(title=""),
    }
    return {name: specification(chart) for name, chart in drawn.items()}


def overview_specs(rows: Sequence[Row], domains: Sequence[Row]) -> dict[str, Any]:
    """The charts over runs."""
    unit = energy_unit(row["joules"] for row in rows)
    conditions = chart_data.conditions_of(rows)
    few = len(rows) <= NAMED_RUNS
    estimates = any(row["measured"] is False for row in domains)
    energies = charts.energy_by_run(
        charts.domain_names(domains), conditions, unit=unit, estimates=estimates, horizontal=few,
        height=None if few else 320,
    )  # fmt: skip
    if few:
        energies.height = {"step": 16}
    drawn = {"energy": energies, "machines": charts.energy_by_machine(conditions)}
    of_runs = {"foreign": charts.foreign, "coverage": charts.coverage, "gap": charts.max_gap,
               "settle": charts.settle}  # fmt: skip
    drawn |= {name: chart(conditions) for name, chart in of_runs.items()}
    for kind in ("linear", "log", "names"):
        log, numeric = kind == "log", kind != "names"
        drawn[f"energy {kind}"] = charts.energy_against(
            X, conditions, log, unit=unit, numeric=numeric
        )
        drawn[f"metric {kind}"] = charts.metric_against(X, Y, conditions, log, numeric=numeric)
    for less in (False, True):
        drawn[f"front {'less' if less else 'more'}"] = charts.metric_against_energy(
            Y, conditions, unit=unit, maximise=not less
        )
    return {name: specification(chart) for name, chart in drawn.items()}


def specification(chart: Any) -> dict[str, Any]:
    """Without what the page says itself: the theme, and legends of conditions."""
    # Not held against the schema, which takes longer than the page: a test does that.
    spec: dict[str, Any] = chart.to_dict(validate=False)
    spec.pop("config", None)
    spec.pop("$schema", None)
    _hide_legends(spec)
    return spec


def _hide_legends(spec: Any) -> None:
    """Of conditions: one legend is at the top of the page."""
    if isinstance(spec, list):
        for one in spec:
            _hide_legends(one)
    elif isinstance(spec, dict):
        if str(spec.get("field", "")) == "condition" and "legend" in spec:
            spec["legend"] = None
        for one in spec.values():
            _hide_legends(one)
