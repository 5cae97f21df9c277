"""The page: what all runs share as it stands, what is of one run packed until it is opened."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import energyctl
from energyctl.analysis import charts
from energyctl.analysis import machines as nodes
from energyctl.analysis.report import run_tables
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

NAMED_RUNS = 40
DARK = "#16181d"


def page(
    runs: Runs,
    title: str | None = None,
    settings: Mapping[str, str] | None = None,
    step: Callable[[int, int], None] = lambda done, total: None,
    now: float | None = None,
    calibrations: Sequence[Calibration] | None = None,
) -> str:
    """The page as text. settings: name of a campaign → its settings file, where that is known.
    calibrations: of the machines.

    Raises SettingsError where a library is missing.
    """
    template = _template()
    seen = glance(runs)
    blobs = []
    for number, run in enumerate(runs):
        step(number, len(runs))
        blobs.append(packed(run))
    names = list(seen.campaigns) or ["energyctl"]
    words = {"count": count, "duration": duration, "energy": energy}
    machines = nodes.machines([run.row for run in runs], calibrations or ())
    html: str = template.render(
        title=title or (names[0] if len(names) == 1 else f"{len(names)} campaigns"),
        seen=seen,
        problems=runs.problems,
        settings=settings or {},
        blobs=blobs,
        data=embedded(data(runs)),
        css=(HERE / "page.css").read_text(encoding="utf-8"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
        libraries=_libraries(),
        machines=machines,
        machine_facts=[n for n in nodes.NAMES if any(n in one.facts for one in machines)],
        fact_names=nodes.NAMES,
        calibrated=any(one.calibration is not None for one in machines),
        calibration=nodes.calibration_words,
        spreads=[nodes.sentence(one) for one in nodes.spreads([run.row for run in runs])],
        version=energyctl.__version__,
        made=time.strftime("%Y-%m-%d %H:%M", time.localtime(now)),
        **words,
    )
    return html


def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string((HERE / "page.html.j2").read_text(encoding="utf-8"))


def _libraries() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    try:
        convert = importlib.import_module("vl_convert")
    except ImportError as error:
        raise SettingsError("a page needs vl-convert: pip install 'energyctl[report]'") from error
    bundle: str = convert.javascript_bundle()
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def embedded(value: Any) -> str:
    """JSON that may stand inside a script element: nothing in it can end that."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def data(runs: Sequence[Run]) -> dict[str, Any]:
    """What the script draws from: rows of all runs, specifications of all charts."""
    rows, domains = charts.run_rows(runs), charts.domain_rows(runs)
    numbers = {name for row in rows for name in row if name.startswith("hyperparam_")}
    measures = {name for row in rows for name in row if name.startswith("metric_")}
    for row, run in zip(rows, runs, strict=True):
        load = "parallel" if row["mode"] == "parallel" else "alone"
        row["group"] = f"{row['repository'] or '?'}, {load}"
        row["node"] = run.row.get("node")
        row["error"] = run.row.get("error")
    _relate(rows)
    shapes, specs = _run_charts(runs)
    hyperparameters, metrics = _by_runs(numbers, rows), _by_runs(measures, rows)
    columns = run_tables.columns(hyperparameters, metrics)
    run_tables.describe(rows, runs, [column["key"] for column in columns])
    return {
        "runs": rows,
        "columns": columns,
        "domains": domains,
        "hyperparameters": [_axis(name, rows) for name in hyperparameters],
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
        if row["joules"] is not None and row["status"] == "succeeded":
            of.setdefault(f"{row['model']}, {row['group']}", []).append(row["joules"])
    for row in rows:
        values = of.get(f"{row['model']}, {row['group']}", [])
        known = row["joules"] is not None and row["status"] == "succeeded" and sum(values) > 0
        row["relative"] = row["joules"] / (sum(values) / len(values)) if known else None


def _by_runs(names: Iterable[str], rows: Sequence[Row]) -> list[str]:
    """Those of several values, the ones that most runs have first."""
    counts = {name: sum(row.get(name) is not None for row in rows) for name in names}
    varying = [
        name
        for name in counts
        if len({str(row[name]) for row in rows if row.get(name) is not None}) > 1
    ]
    return sorted(varying, key=lambda name: (-counts[name], name))


def _axis(name: str, rows: Iterable[Row]) -> dict[str, Any]:
    """How a hyper-parameter is drawn: as numbers, on a logarithmic axis, or as names."""
    values = [row[name] for row in rows if row.get(name) is not None]
    numeric = not any(isinstance(value, str | bool) for value in values)
    log = numeric and min(values) > 0 and max(values) > 50 * min(values)
    return {"name": name, "kind": "log" if log else "linear" if numeric else "names"}


def _charts(rows: Sequence[Row], domains: Sequence[Row]) -> dict[str, Any]:
    """The charts over runs; where X and Y stand, the page puts names."""
    unit = energy_unit(row["joules"] for row in rows)
    modes = [mode for mode in charts.MODES if mode in {r["mode"] or "not recorded" for r in rows}]
    few = len(rows) <= NAMED_RUNS
    estimates = any(row["measured"] is False for row in domains)
    energies = charts.energy_by_run(
        charts.domain_names(domains), unit=unit, estimates=estimates, horizontal=few,
        height=None if few else 320, shown_modes=modes,
    )  # fmt: skip
    if few:
        energies.height = {"step": 16}
    made = {"energy": energies, "foreign": charts.foreign()}
    made |= {"machines": charts.energy_by_machine(shown_modes=modes)}
    made |= {"coverage": charts.coverage(), "gap": charts.max_gap(), "settle": charts.settle()}
    for kind, log, numeric in (
        ("linear", False, True), ("log", True, True), ("names", False, False),
    ):  # fmt: skip
        made[f"energy {kind}"] = charts.energy_against(
            X, log, unit=unit, numeric=numeric, shown_modes=modes
        )
        made[f"metric {kind}"] = charts.metric_against(
            X, Y, log, numeric=numeric, shown_modes=modes
        )
    for less in (False, True):
        made[f"front {'less' if less else 'more'}"] = charts.metric_against_energy(
            Y, unit=unit, maximise=not less, shown_modes=modes
        )
    return {name: _spec(chart) for name, chart in made.items()}


def _run_charts(runs: Sequence[Run]) -> tuple[list[int], list[dict[str, Any]]]:
    """For each run the number of its charts: runs of the same domains and jobs share them."""
    numbers: dict[tuple[Any, ...], int] = {}
    specs, shapes = list[dict[str, Any]](), list[int]()
    for run in runs:
        known = run.energy.domains if run.energy else ()
        domains = tuple(one.name for one in known if one.in_total)
        estimated = tuple(one.name for one in known if one.measured is False)
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
    made = {
        "power": charts.run_power(ordered, title="Time in the run (s)", estimated=estimated),
        "iterations": charts.run_iterations(jobs, title="", y_title="\u00a0", letters=9),
        "temperature": charts.run_temperature(title=""),
        "utilization": charts.run_utilization(title=""),
    }
    return {name: _spec(chart) for name, chart in made.items()}


def _spec(chart: Any) -> dict[str, Any]:
    spec: dict[str, Any] = chart.to_dict()
    spec.pop("config", None)
    spec.pop("$schema", None)
    return spec
