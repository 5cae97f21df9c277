"""What `energyctl plot` can draw: runs → a chart of any width, and its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from energyctl.analysis.charts import chart_data as rows
from energyctl.analysis.charts import conditions, energy_charts, pareto_fronts, themes, timeline
from energyctl.analysis.charts.altair import alt
from energyctl.errors import SettingsError
from energyctl.results.tables import Row
from energyctl.text import energy_unit

if TYPE_CHECKING:
    from energyctl.results.api import Run

TEXT = 3.7
"""Mean width of a character of 7 points."""
NAMED_RUNS = 40
"""So many runs still get a line with their name each."""
LOG_RANGE = 50
"""Values of one sign that span more than this factor are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class PlotOptions:
    """What the user asked for. x, y: names of a hyper-parameter or metric; height: in points.

    maximise: whether more of y is better; None: by its name.
    """

    x: str | None = None
    y: str | None = None
    maximise: bool | None = None
    height: float | None = None


@dataclass(frozen=True)
class Plot:
    """chart: width of the plot inside its axes → the chart. rows: by data source."""

    chart: Callable[[float], Any]
    rows: dict[str, list[Row]] = field(repr=False)


def power(runs: Sequence[Run], wanted: PlotOptions) -> Plot:
    """Power by domain with phases; under it the background's iterations."""
    run = _one(runs, "power")
    data, domains, estimated = _power(run)
    jobs = sorted({str(row["job"]) for row in data["iterations"]})

    def chart(width: float) -> Any:
        height = wanted.height or width * 0.45
        drawn = timeline.run_overview(
            domains, jobs, width=width, height=height, text=TEXT, estimated=estimated
        )
        return _noted(drawn, runs)

    return Plot(chart, data)


def overview(runs: Sequence[Run], wanted: PlotOptions) -> Plot:
    """The same with temperature and utilisation of the GPUs."""
    run = _one(runs, "overview")
    data, domains, estimated = _power(run)
    data["gpu"] = rows.gpu_rows(run)
    jobs = sorted({str(row["job"]) for row in data["iterations"]})
    gpu = bool(data["gpu"])

    def chart(width: float) -> Any:
        height = wanted.height or width * 0.4
        drawn = timeline.run_overview(
            domains, jobs, gpu, width=width, height=height, text=TEXT, estimated=estimated
        )
        return _noted(drawn, runs)

    return Plot(chart, data)


def gpu(runs: Sequence[Run], wanted: PlotOptions) -> Plot:
    """Temperature and utilisation of each GPU."""
    run = _one(runs, "gpu")
    data = {"gpu": rows.gpu_rows(run), "phases": rows.phase_rows(run)}
    if not data["gpu"]:
        raise SettingsError(f"{run.experiment_id}: no samples of a GPU lie beside its result")
    names = [f"gpu-{name}" for name in sorted({str(row["gpu"]) for row in data["gpu"]})]

    def chart(width: float) -> Any:
        drawn = timeline.run_gpu(width, wanted.height or width * 0.25, names)
        return _noted(drawn, runs)

    return Plot(chart, data)


def energy(runs: Sequence[Run], wanted: PlotOptions) -> Plot:
    """Energy by run and domain, with its uncertainty."""
    data = {"runs": rows.run_rows(runs), "domains": rows.domain_rows(runs)}
    if not any(row["joules"] is not None for row in data["domains"]):
        raise SettingsError("no energy is known of these runs: nothing to draw")
    domains = rows.domain_names(data["domains"])
    estimates = any(row["measured"] is False for row in data["domains"])

    def chart(width: float) -> Any:
        drawn = energy_charts.energy_by_run(
            domains,
            width,
            wanted.height,
            energy_unit(row["joules"] for row in data["runs"]),
            estimates,
            horizontal=len(runs) <= NAMED_RUNS,
            shown_modes=_modes(data["runs"]),
            text=TEXT,
        )
        return _noted(drawn, runs)

    return Plot(chart, data)


def hyperparameter(runs: Sequence[Run], wanted: PlotOptions) -> Plot:
    """Energy, or the metric *y*, over the hyper-parameter *x*."""
    table = rows.run_rows(runs)
    x = _column(table, "hyperparam_", wanted.x, "hyper-parameter", "--x")
    y = "joules"
    if wanted.y not in (None, "energy"):
        y = _column(table, "metric_", wanted.y, "metric", "--y")
    data = _points(pareto_fronts.point_rows(runs, x, y), x, y)
    values = [row["x"] for row in data]
    numeric = not any(isinstance(value, str | bool) for value in values)
    log = numeric and min(values) > 0 and max(values) > LOG_RANGE * min(values)
    title, shown, models = x.removeprefix("hyperparam_"), _modes(data), _several_models(data)

    def chart(width: float) -> Any:
        height = wanted.height or width * 0.6
        if y == "joules":
            unit = energy_unit(row["y"] for row in data)
            drawn = energy_charts.energy_against(
                title, log, width, height, unit, numeric, shown, TEXT, models
            )
            return _noted(drawn, runs)
        metric = y.removeprefix("metric_")
        drawn = energy_charts.metric_against(
            title, metric, log, width, height, numeric, shown, text=TEXT
        )
        return _noted(drawn, runs)

    return Plot(chart, {"points": data})


def front(runs: Sequence[Run], wanted: PlotOptions) -> Plot:
    """The metric *y* over energy, with the runs that no other beats in both."""
    if wanted.x not in (None, "energy"):
        raise SettingsError("--kind pareto draws energy along x: leave --x out")
    y = _column(rows.run_rows(runs), "metric_", wanted.y, "metric", "--y")
    data = _points(pareto_fronts.point_rows(runs, "joules", y, wanted.maximise), "energy", y)
    shown, unit = _modes(data), energy_unit(row["x"] for row in data)

    def chart(width: float) -> Any:
        drawn = energy_charts.metric_against_energy(
            y.removeprefix("metric_"),
            width,
            wanted.height or width * 0.6,
            unit,
            wanted.maximise,
            shown,
            TEXT,
            _several_models(data),
        )
        return _noted(drawn, runs)

    return Plot(chart, {"points": data})


def presence(runs: Sequence[Run], wanted: PlotOptions) -> Plot:
    """Coverage, longest gap and settle time of the background by run."""
    data = {"runs": rows.run_rows(runs)}
    if not any(row["coverage"] is not None for row in data["runs"]):
        raise SettingsError("of none of these runs is the background's coverage known")
    return Plot(lambda width: conditions.presence(width, wanted.height or width * 0.25), data)


KINDS: dict[str, Callable[[Sequence[Run], PlotOptions], Plot]] = {
    "power": power,
    "overview": overview,
    "gpu": gpu,
    "energy": energy,
    "hyperparameter": hyperparameter,
    "pareto": front,
    "presence": presence,
}


def _one(runs: Sequence[Run], kind: str) -> Run:
    if len(runs) != 1:
        raise SettingsError(f"--kind {kind} draws one run, and {len(runs)} were given: name one")
    return runs[0]


def _power(run: Run) -> tuple[dict[str, list[Row]], list[str], list[str]]:
    """Rows of the domains that are part of the total (of all, where that is not known).

    With the names of those domains, and of those of them that are estimates.
    """
    known = run.energy.domains if run.energy else ()
    counted = [one.name for one in known if one.in_total]
    estimated = [one.name for one in known if one.measured is False]
    data = {
        "power": rows.power_rows(run, domains=counted or None),
        "phases": rows.phase_rows(run),
        "iterations": rows.iteration_rows(run),
    }
    if all(row["mean"] for row in data["power"]):
        raise SettingsError(
            f"{run.experiment_id}: no power samples lie beside its result; --kind energy needs none"
        )
    return data, rows.domain_names(data["power"]), estimated


def _column(table: Iterable[Row], prefix: str, name: str | None, what: str, option: str) -> str:
    """The column that is meant; without a name the only one there is (that varies, of several)."""
    values: dict[str, set[str]] = {}
    for row in table:
        for key, value in row.items():
            if key.startswith(prefix) and value is not None:
                values.setdefault(key.removeprefix(prefix), set()).add(repr(value))
    names = sorted(values)
    varying = [each for each in names if len(values[each]) > 1]
    if name is None:
        fitting = varying if len(names) > 1 else names
        if len(fitting) == 1:
            return prefix + fitting[0]
        listed = (
            f"choose with {option}: {', '.join(fitting or names)}" if names else "there is none"
        )
        raise SettingsError(f"which {what}? {listed}")
    if name not in values:
        there = f"there are {', '.join(names)}" if names else "there is none"
        raise SettingsError(f"{option} {name}: no {what} of these runs; {there}")
    return prefix + name


def _points(points: list[Row], x: str, y: str) -> list[Row]:
    if not points:
        names = " and ".join(name.partition("_")[2] or name for name in (x, y))
        raise SettingsError(f"no run that succeeded has both {names}")
    return points


def _modes(table: Iterable[Row]) -> list[str]:
    """Those of them that occur, in the order of the legend."""
    there = {row["mode"] or "not recorded" for row in table}
    return [mode for mode in themes.MODES if mode in there]


def _several_models(points: Iterable[Row]) -> bool:
    return len({row["model"] for row in points}) > 1


def _noted(chart: Any, runs: Sequence[Run]) -> Any:
    """With a line above that says what † means, or that the run was imported."""
    if not any(run.row.get("imported") for run in runs):
        return chart
    several = len(runs) > 1
    note = "† imported from older recordings" if several else "imported from an older recording"
    if chart.title is alt.Undefined:
        return chart.properties(title=note)
    return chart.properties(title=alt.Title(text=chart.title.text, subtitle=note))
