"""What `energyctl plot` can draw: runs → a chart of any width, and its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from energyctl import text
from energyctl.analysis import answer, comparing, grid_factors
from energyctl.analysis.charts import (
    block_charts,
    effect_charts,
    energy_charts,
    level_charts,
    pareto_fronts,
    presence_charts,
    share_charts,
    timeline,
    tradeoff_charts,
)
from energyctl.analysis.charts import chart_data as rows
from energyctl.analysis.charts.altair import alt
from energyctl.analysis.charts.plot_columns import column, factor_column
from energyctl.errors import SettingsError
from energyctl.results.api import Runs
from energyctl.results.tables import Row
from energyctl.results.tables.layouts import REACH

if TYPE_CHECKING:
    from energyctl.results.api import Run

TEXT = 3.7
"""Mean width of a character of 7 points."""
NAMED_RUNS = 40
"""So many runs still get a line with their name each."""


@dataclass(frozen=True)
class PlotOptions:
    """What the user asked for. x: a factor, as a hyper-parameter; y: a metric; height: in points.

    maximise: whether more of y is better; None: by its name. by, base, measure, margin: of
    comparisons, as :func:`energyctl.compare` takes them.
    """

    x: str | None = None
    y: str | None = None
    maximise: bool | None = None
    height: float | None = None
    by: str = "condition"
    base: str | None = None
    measure: str | None = None
    margin: float | None = None


@dataclass(frozen=True)
class Plot:
    """chart: width of the plot inside its axes → the chart. rows: by data source."""

    chart: Callable[[float], Any]
    rows: dict[str, list[Row]] = field(repr=False)


def power(runs: Sequence[Run], options: PlotOptions) -> Plot:
    """Power by domain with phases; under it the background's iterations."""
    data, domains, estimated = _power(_one(runs, "power"))
    return _over_time(runs, options, data, domains, estimated, share=0.45)


def overview(runs: Sequence[Run], options: PlotOptions) -> Plot:
    """The same with temperature and utilisation of the GPUs."""
    run = _one(runs, "overview")
    data, domains, estimated = _power(run)
    data["gpu"] = rows.gpu_rows(run)
    return _over_time(runs, options, data, domains, estimated, share=0.4)


def _over_time(
    runs: Sequence[Run],
    options: PlotOptions,
    data: dict[str, list[Row]],
    domains: Sequence[str],
    estimated: Sequence[str],
    share: float,
) -> Plot:
    """share: of the width, the height where none was asked for."""
    jobs, gpu = rows.jobs_of(data["iterations"]), bool(data.get("gpu"))

    def chart(width: float) -> Any:
        height = options.height or width * share
        return timeline.run_overview(
            domains,
            jobs,
            gpu,
            width=width,
            height=height,
            text=TEXT,
            estimated=estimated,
            phases=data["phases"],
        )

    return _plot(runs, chart, data)


def _compared(runs: Sequence[Run]) -> list[Run]:
    """Those that figures of runs have: no warm-up runs, unless they are all."""
    return [run for run in runs if not run.warm_up] or list(runs)


def energy(runs: Sequence[Run], options: PlotOptions) -> Plot:
    """Energy by run and domain, with its uncertainty."""
    runs = _compared(runs)
    data = {"runs": rows.run_rows(runs), "domains": rows.domain_rows(runs)}
    if not any(row["joules"] is not None for row in data["domains"]):
        raise SettingsError("no energy is known of these runs: nothing to draw")
    domains = rows.domain_names(data["domains"])
    estimates = any(row["measured"] is False for row in data["domains"])

    def chart(width: float) -> Any:
        return energy_charts.energy_by_run(
            domains,
            rows.conditions_of(data["runs"]),
            width,
            options.height,
            text.energy_unit(row["joules"] for row in data["runs"]),
            estimates,
            horizontal=len(runs) <= NAMED_RUNS,
            text=TEXT,
        )

    return _plot(runs, chart, data)


def effect(runs: Sequence[Run], options: PlotOptions) -> Plot:
    """Energy, or the metric *y*, over the factor *x*, and how its values compare."""
    runs = _compared(runs)
    table = rows.run_rows(runs)
    x = factor_column(table, options.x)
    y = "joules"
    if options.y not in (None, "energy"):
        y = column(table, "metric_", options.y, "metric", "--y")
    else:
        _of_one_total(runs)
    data = _points(pareto_fronts.point_rows(runs, x, y), x, y)
    found = effect_charts.effect_chart(runs, data, x, y)

    def chart(width: float) -> Any:
        return effect_charts.effect(found, width, options.height or width * 0.55, TEXT)

    return _plot(runs, chart, found.rows)


def tradeoff(runs: Sequence[Run], options: PlotOptions) -> Plot:
    """Energy against time of the levels of the factor *x*: runs, means with intervals, front."""
    runs = _compared(runs)
    x = rows.without(rows.FACTORS, factor_column(rows.run_rows(runs), options.x))
    factors = grid_factors.factors_of(runs, x)
    if not factors:
        _of_one_total(runs)
        raise SettingsError(f"{x} has no two levels with a known energy and time: nothing to draw")
    found = tradeoff_charts.tradeoff_chart(factors, rows.conditions_of(rows.run_rows(runs)))

    def chart(width: float) -> Any:
        return tradeoff_charts.tradeoff(found, width, options.height or width * 0.6, TEXT)

    return _plot(runs, chart, found.rows)


def front(runs: Sequence[Run], options: PlotOptions) -> Plot:
    """The metric *y* over energy, with the runs that no other beats in both."""
    runs = _compared(runs)
    if options.x not in (None, "energy"):
        raise SettingsError("--kind pareto draws energy along x: leave --x out")
    y = column(rows.run_rows(runs), "metric_", options.y, "metric", "--y")
    data = _points(pareto_fronts.point_rows(runs, "joules", y, options.maximise), "energy", y)
    unit = text.energy_unit(row["x"] for row in data)
    trainings = {(row["repository"], row["model"]) for row in data}
    several = len(trainings) > len({repository for repository, _ in trainings})

    def chart(width: float) -> Any:
        return energy_charts.metric_against_energy(
            y.removeprefix("metric_"),
            rows.conditions_of(data),
            width,
            options.height or width * 0.6,
            unit,
            options.maximise,
            TEXT,
            named=several,
        )

    return _plot(runs, by_repository(chart, data), {"points": data})


def by_repository(chart: Callable[[float], Any], points: Sequence[Row]) -> Callable[[float], Any]:
    """A panel for each repository, with its name, where *points* are of several."""
    names = list(dict.fromkeys(row["repository"] for row in points))
    if len(names) < 2:
        return chart

    def panel(width: float, name: str) -> Any:
        drawn = chart(width).transform_filter(alt.datum.repository == name)
        return drawn.properties(title=alt.Title(name, subtitle=drawn.title.text))

    return lambda width: alt.vconcat(*(panel(width, name) for name in names))


def conditions(runs: Sequence[Run], options: PlotOptions) -> Plot:
    """The total energy of each training under each condition: runs, mean and interval."""
    _of_one_total(runs)
    return _levels(runs, options, answer.levels_of(runs), "Total energy", "")


def reach(runs: Sequence[Run], options: PlotOptions) -> Plot:
    """The same of the energy until the metric *y* first had its value."""
    prefix = REACH["joules"].prefix
    y = column([run.row for run in runs], prefix, options.y, "metric with a value to reach", "--y")
    metric = y.removeprefix(prefix)
    asked = [run for run in _compared(runs) if metric in (run.result.get("reach") or {})]
    values = {text.parameter(run.result["reach"][metric].get("value")) for run in asked}
    without = sum(run.row.get(y) is None for run in asked)
    note = f"not shown: {text.count(without, 'run')} of which it is not known" if without else ""
    levels = answer.levels_of(asked, lambda run: run.row.get(y))
    return _levels(runs, options, levels, f"Energy to {metric} {' or '.join(sorted(values))}", note)


def _levels(
    runs: Sequence[Run], options: PlotOptions, levels: Sequence[answer.Level], title: str, note: str
) -> Plot:
    found = level_charts.level_chart(levels, [run.condition for run in runs])
    if found is None:
        raise SettingsError("no energy is known of a run that succeeded: nothing to draw")

    def chart(width: float) -> Any:
        drawn = level_charts.levels(found, width, options.height, TEXT, title)
        return drawn.properties(title=note) if note else drawn

    return _plot(runs, chart, found.rows)


def presence(runs: Sequence[Run], options: PlotOptions) -> Plot:
    """Coverage, longest gap and settle time of the background by run."""
    runs = _compared(runs)
    data = {"runs": rows.run_rows(runs)}
    if not any(row["coverage"] is not None for row in data["runs"]):
        raise SettingsError("of none of these runs is the background's coverage known")
    shown = rows.conditions_of(data["runs"])

    def chart(width: float) -> Any:
        return presence_charts.presence(shown, width, options.height or width * 0.25, TEXT)

    return Plot(chart, data)


def comparison(runs: Sequence[Run], options: PlotOptions) -> Plot:
    """Each block from the base to each condition, and the ratios with their mean's interval."""
    asked = options.by, options.base, options.margin, options.measure
    compared = comparing.compare(runs, *asked)
    known = [run.condition for run in runs] if options.by == "condition" else []
    panels, data = compared.panels(known)

    def chart(width: float) -> Any:
        return block_charts.comparison(panels, width, options.height or width * 0.42, TEXT)

    return _plot(runs, chart, data)


def shares(runs: Sequence[Run], options: PlotOptions) -> Plot:
    """Whose energy it was by condition, and what doing both together saved."""
    found = share_charts.share_chart(Runs(runs).pairs, [run.condition for run in runs])
    if found is None:
        raise SettingsError("these runs tell no shares: energyctl attribute says why")
    return _plot(
        runs, lambda w: share_charts.shares_and_savings(found, w, options.height, TEXT), found.rows
    )


KINDS: dict[str, Callable[[Sequence[Run], PlotOptions], Plot]] = {
    "power": power,
    "overview": overview,
    "conditions": conditions,
    "reach": reach,
    "energy": energy,
    "effect": effect,
    "tradeoff": tradeoff,
    "pareto": front,
    "presence": presence,
    "comparison": comparison,
    "shares": shares,
}


def _one(runs: Sequence[Run], kind: str) -> Run:
    if len(runs) != 1:
        raise SettingsError(f"--kind {kind} draws one run, and {len(runs)} were given: name one")
    return runs[0]


def _power(run: Run) -> tuple[dict[str, list[Row]], list[str], list[str]]:
    """Rows of the domains that are part of the total (of all, where that is not known).

    With the names of those domains, and of those of them that are estimates.
    """
    counted, estimated = rows.total_domains(run)
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


def _of_one_total(runs: Sequence[Run]) -> None:
    """Raises SettingsError where energies of a training cannot be drawn beside each other."""
    for training, why in answer.unlike_trainings(runs).items():
        raise SettingsError(f"{training}: {why}; name results of one kind")


def _points(points: list[Row], x: str, y: str) -> list[Row]:
    if not points:
        names = " and ".join(name.partition("_")[2] or name for name in (x, y))
        raise SettingsError(f"no run that succeeded has both {names}")
    return points


def _plot(runs: Sequence[Run], chart: Callable[[float], Any], data: dict[str, list[Row]]) -> Plot:
    return Plot(lambda width: _noted(chart(width), runs), data)


def _noted(chart: Any, runs: Sequence[Run]) -> Any:
    """With a line above that says what † means, or that the run was imported."""
    if not any(run.row.get("imported") for run in runs):
        return chart
    several = len(runs) > 1
    note = "† imported from older recordings" if several else "imported from an older recording"
    if chart.title is alt.Undefined:
        return chart.properties(title=note)
    return chart.properties(title=alt.Title(text=chart.title.text, subtitle=note))
