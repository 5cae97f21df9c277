"""The page: what all runs share as it stands, what is of one run packed until it is opened."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import energyctl
from energyctl.analysis import charts
from energyctl.analysis import machines as nodes
from energyctl.analysis.charts import chart_data, figure_files, pareto_fronts
from energyctl.analysis.charts.plots import NAMED_RUNS
from energyctl.analysis.report import run_tables
from energyctl.analysis.report.compared import ComparedSection, compared_section
from energyctl.analysis.report.pairs import pair_section
from energyctl.analysis.report.run_data import packed
from energyctl.analysis.report.summary import glance
from energyctl.errors import SettingsError
from energyctl.results.calibrations import Calibration
from energyctl.results.tables import Row
from energyctl.text import count, duration, energy, energy_unit

if TYPE_CHECKING:
    from energyctl.results.api import Run, Runs

HERE = Path(__file__).parent
X, Y = "\ue000x\ue001", "\ue000y\ue001"
"""Stand in a chart for what is chosen on the page."""


def page(
    runs: Runs,
    title: str | None = None,
    settings: Mapping[str, str] | None = None,
    step: Callable[[int, int], None] = lambda done, total: None,
    now: float | None = None,
    calibrations: Sequence[Calibration] | None = None,
    drift: Sequence[str] = (),
) -> str:
    """The page as text. settings: name of a campaign → its settings file, where that is known.
    calibrations: of the machines; drift: what their controls say, in sentences.

    Raises SettingsError where a library is missing.
    """
    template = _template()
    seen = glance(runs)
    blobs = []
    for number, run in enumerate(runs):
        step(number, len(runs))
        blobs.append(packed(run))
    names = list(seen.campaigns) or ["energyctl"]
    compared, lacking = _compared(runs)
    shares = charts.share_chart(runs.pairs, [run.condition for run in runs])
    machines = nodes.machines([run.row for run in runs], calibrations or ())
    html: str = template.render(
        title=title or (names[0] if len(names) == 1 else f"{len(names)} campaigns"),
        seen=seen,
        problems=runs.problems,
        settings=settings or {},
        blobs=blobs,
        data=embedded({**data(runs), "compared": _compared_charts(compared), **_shares(shares)}),
        compared=compared,
        lacking=lacking,
        css=(HERE / "page.css").read_text(encoding="utf-8"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
        libraries=_libraries(),
        machines=machines,
        machine_facts=[n for n in nodes.NAMES if any(n in one.facts for one in machines)],
        fact_names=nodes.NAMES,
        calibrated=any(one.calibration is not None for one in machines),
        calibration=nodes.calibration_words,
        spreads=[nodes.sentence(one) for one in nodes.spreads([run.row for run in runs])],
        drift=drift,
        pairs=pair_section(runs.pairing),
        shares=shares,
        share_note=charts.SHARE_NOTE,
        version=energyctl.__version__,
        made=time.strftime("%Y-%m-%d %H:%M", time.localtime(now)),
        count=count,
        duration=duration,
        energy=energy,
    )
    return html


def _compared(runs: Runs) -> tuple[ComparedSection | None, str | None]:
    """The section; else the library that is missing."""
    try:
        return compared_section(runs), None
    except SettingsError as error:
        return None, str(error)


def _compared_charts(section: ComparedSection | None) -> dict[str, Any]:
    """Two charts for each comparison, and the rows of all of them."""
    if section is None:
        return {"rows": {}, "charts": []}
    drawn = [(charts.block_lines(panel), charts.block_ratios(panel)) for panel in section.panels]
    return {"rows": section.rows, "charts": [[_spec(chart) for chart in pair] for pair in drawn]}


def _shares(found: charts.ShareChart | None) -> dict[str, Any]:
    """Two charts, and their rows."""
    if found is None:
        return {"shares": None}
    drawn = {"c-shares": charts.share_bars(found), "c-savings": charts.savings(found)}
    return {"shares": {"rows": found.rows, "charts": {id: _spec(one) for id, one in drawn.items()}}}


def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string((HERE / "page.html.j2").read_text(encoding="utf-8"))


def _libraries() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    bundle: str = figure_files.converter("a page needs").javascript_bundle()
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def embedded(value: Any) -> str:
    """JSON that may stand inside a script element: nothing in it can end that."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def data(runs: Sequence[Run]) -> dict[str, Any]:
    """What the script draws from: rows of all runs, specifications of all charts."""
    rows, domains = charts.run_rows(runs), charts.domain_rows(runs)
    for row, run in zip(rows, runs, strict=True):
        row["group"] = pareto_fronts.group_of(row)
        row["node"] = run.row.get("node")
        row["error"] = run.row.get("error")
    _relate(rows)
    shapes, specs = _run_charts(runs)
    hyperparameters, metrics = _by_runs("hyperparam_", rows), _by_runs("metric_", rows)
    columns = run_tables.columns(hyperparameters, metrics)
    run_tables.describe(rows, runs, [column["key"] for column in columns])
    return {
        "runs": rows,
        "columns": columns,
        "domains": domains,
        "hyperparameters": [
            {"name": name, "kind": chart_data.axis_of(_values(name, rows))}
            for name in hyperparameters
        ],
        "metrics": [{"name": name, "less": charts.minimised(name)} for name in metrics],
        "shapes": shapes,
        "runCharts": specs,
        "charts": _charts(rows, domains),
        "configs": {theme: charts.config(theme) for theme in ("light", "dark")},
    }


def _relate(rows: Sequence[Row]) -> None:
    """`relative`: the energy over the mean of its group, so that trainings can share a chart."""
    of: dict[str, list[float]] = {}
    for row in rows:
        if row["joules"] is not None and row["status"] == "succeeded" and not row["warm_up"]:
            of.setdefault(f"{row['model']}, {row['group']}", []).append(row["joules"])
    for row in rows:
        values = of.get(f"{row['model']}, {row['group']}", [])
        known = row["joules"] is not None and row["status"] == "succeeded" and sum(values) > 0
        row["relative"] = row["joules"] / (sum(values) / len(values)) if known else None


def _by_runs(prefix: str, rows: Sequence[Row]) -> list[str]:
    """Columns of that prefix and several values, the ones that most runs have first."""
    names = {name for row in rows for name in row if name.startswith(prefix)}
    values = {name: _values(name, rows) for name in names}
    varying = [name for name in names if len(set(map(str, values[name]))) > 1]
    return sorted(varying, key=lambda name: (-len(values[name]), name))


def _values(name: str, rows: Iterable[Row]) -> list[Any]:
    return [row[name] for row in rows if row.get(name) is not None]


def _charts(rows: Sequence[Row], domains: Sequence[Row]) -> dict[str, Any]:
    """The charts over runs; where X and Y stand, the page puts names."""
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
    return {name: _spec(chart) for name, chart in drawn.items()}


def _run_charts(runs: Sequence[Run]) -> tuple[list[int], list[dict[str, Any]]]:
    """For each run the number of its charts: runs of the same domains and jobs share them."""
    numbers: dict[tuple[Any, ...], int] = {}
    specs, shapes = list[dict[str, Any]](), list[int]()
    for run in runs:
        domains, estimated = map(tuple, chart_data.total_domains(run))
        shape = (domains, estimated, tuple(job.name for job in run.jobs))
        if shape not in numbers:
            numbers[shape] = len(specs)
            specs.append(_of_shape(*shape))
        shapes.append(numbers[shape])
    return shapes, specs


def _of_shape(
    domains: Sequence[str], estimated: Sequence[str], jobs: Sequence[str]
) -> dict[str, Any]:
    ordered = charts.domain_names([{"domain": name} for name in domains])
    drawn = {
        "power": charts.run_power(ordered, title="Time in the run (s)", estimated=estimated),
        "iterations": charts.run_iterations(jobs, title="", y_title="\u00a0", letters=9),
        "temperature": charts.run_temperature(title=""),
        "utilization": charts.run_utilization(title=""),
    }
    return {name: _spec(chart) for name, chart in drawn.items()}


def _spec(chart: Any) -> dict[str, Any]:
    # Not held against the schema, which takes longer than the page: a test does that.
    spec: dict[str, Any] = chart.to_dict(validate=False)
    spec.pop("config", None)
    spec.pop("$schema", None)
    return spec
