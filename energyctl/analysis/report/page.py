"""The page: what all runs share as it stands, what is of one run packed until it is opened."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import energyctl
from energyctl.analysis import charts
from energyctl.analysis import footprint as footprints
from energyctl.analysis import machines as nodes
from energyctl.analysis.answer import Answer, answer_of
from energyctl.analysis.charts import chart_data, figure_files, level_charts, pareto_fronts, themes
from energyctl.analysis.factor_tables import NOTE as FACTOR_NOTE
from energyctl.analysis.footprint import Footprint
from energyctl.analysis.report import chinese, page_charts, run_tables
from energyctl.analysis.report.compared import compared_section
from energyctl.analysis.report.factors import factor_sections
from energyctl.analysis.report.findings import comparisons, findings, remarks
from energyctl.analysis.report.languages import Language
from energyctl.analysis.report.pairs import pair_section
from energyctl.analysis.report.run_data import buckets_of, packed
from energyctl.analysis.report.summary import fact_words, glance
from energyctl.analysis.trial_tables import columns, sentence
from energyctl.analysis.wall_sentences import wall_sentences
from energyctl.energy.block_power import student_t
from energyctl.results.calibrations import Calibration
from energyctl.results.tables import Row

if TYPE_CHECKING:
    from energyctl.analysis.trials import Found
    from energyctl.results.api import Run, Runs

PACKERS = 3
HERE = Path(__file__).parent
SCRIPTS = ("words.js", "page.js", "run.js", "start.js")
PLACES = ("hostname", "gpus", "cpu")
"""Facts of a run that stand in the line of facts."""


def page(
    runs: Runs,
    title: str | None = None,
    settings: Mapping[str, str] | None = None,
    step: Callable[[int, int], None] = lambda done, total: None,
    now: float | None = None,
    calibrations: Sequence[Calibration] | None = None,
    drift: Sequence[str] = (),
    footprint: Sequence[Footprint] = (),
    searches: Mapping[str, Found] | None = None,
    language: str = "en",
) -> str:
    """The page as text. settings: name of a campaign → its settings file, where that is known.
    calibrations: of the machines; drift: what their controls say, in sentences. footprint: of runs
    with the same factors; searches: what they found, by their journals.

    Raises SettingsError where a library is missing.
    """
    template, t = _template(), Language(language)
    seen = glance(runs)
    blobs = _blobs(runs, t, step)
    names = list(seen.campaigns) or ["energyctl"]
    answer, conditions = answer_of(runs), {run.condition for run in runs}
    levels = level_charts.level_chart(answer.conditions, conditions)
    factors = factor_sections(answer, t)
    compared, shares = (
        compared_section(answer.study, conditions),
        charts.share_chart(runs.pairs, conditions),
    )
    drawn = {
        **data(runs, t),
        **page_charts.level_specs(levels, t),
        **page_charts.compared_specs(compared, t),
        **page_charts.share_specs(shares, t),
        **page_charts.factor_specs(factors, conditions, t),
    }
    html: str = template.render(
        t=t,
        title=title or (names[0] if len(names) == 1 else t("{n} campaigns", n=len(names))),
        found=findings(answer, t),
        levels=levels,
        remarks=remarks(answer, t),
        seen=seen,
        wall=wall_sentences(runs),
        footprint=[
            chinese.footprint(one) if language == "zh" else footprints.sentence(one)
            for one in footprint
        ],
        warned=sum(bool(run.warnings) for run in runs),
        failing=sum(bool(run.row.get("error")) for run in runs),
        problems=runs.problems,
        settings=settings or {},
        blobs=blobs,
        data=embedded(drawn),
        compared=compared,
        factors=factors,
        factor_note=FACTOR_NOTE,
        css=(HERE / "page.css").read_text(encoding="utf-8"),
        script="\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS),
        libraries=_libraries(),
        drift=drift,
        searches=[
            (chinese.search(name, of) if language == "zh" else sentence(name, of), columns(of))
            for name, of in (searches or {}).items()
        ],
        pairs=pair_section(runs.pairing),
        pair_sentences=_pair_sentences(answer, t),
        shares=shares,
        share_note=charts.SHARE_NOTE,
        unknown_facts=[fact.name for fact in seen.facts if not fact.known],
        version=energyctl.__version__,
        made=time.strftime("%Y-%m-%d %H:%M", time.localtime(now)),
        **_machines(runs, calibrations or ()),
    )
    return html


def _blobs(runs: Sequence[Run], t: Language, step: Callable[[int, int], None]) -> list[str]:
    """Each run packed, some at a time: most of it is done outside Python's lock."""
    pool, blobs, buckets = ThreadPoolExecutor(PACKERS), list[str](), buckets_of(len(runs))
    try:
        for blob in pool.map(lambda run: packed(run, t, buckets), runs):
            step(len(blobs), len(runs))
            blobs.append(blob)
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupt is not held up by what is left
    return blobs


def _marks(conditions: Iterable[str]) -> list[dict[str, str]]:
    """Colour and shape of each."""
    marks = themes.condition_marks(conditions)
    return [{"name": name, **mark._asdict()} for name, mark in marks.items()]


def _pair_sentences(answer: Answer, t: Language) -> list[Any]:
    """Where the first sentences are those of conditions compared, what pairs say beside them."""
    return [] if answer.study is None else comparisons(replace(answer, study=None), t)


def _machines(runs: Sequence[Run], calibrations: Sequence[Calibration]) -> dict[str, Any]:
    found = nodes.machines([run.row for run in runs], calibrations)
    return {
        "machines": found,
        "machine_facts": [n for n in nodes.NAMES if any(n in one.facts for one in found)],
        "fact_names": nodes.NAMES,
        "calibrated": any(one.calibration is not None for one in found),
        "calibration": nodes.calibration_words,
        "spreads": [nodes.sentence(one) for one in nodes.spreads([run.row for run in runs])],
    }


def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string((HERE / "page.html.j2").read_text(encoding="utf-8"))


@functools.cache
def _libraries() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    bundle: str = figure_files.converter("a page needs").javascript_bundle()
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def embedded(value: Any) -> str:
    """JSON that may stand inside a script element: nothing in it can end that."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def data(runs: Sequence[Run], t: Language | None = None) -> dict[str, Any]:
    """What the script draws from: rows of all runs, specifications of all charts, words."""
    t = t or Language()
    rows, domains = charts.run_rows(runs), charts.domain_rows(runs)
    places = dict[tuple[str, ...], int]()
    for row, run in zip(rows, runs, strict=True):
        row["group"] = pareto_fronts.group_of(row)
        row["node"] = run.row.get("node")
        row["error"] = run.row.get("error")
        place = tuple(fact_words(run.environment.get(name)) for name in PLACES)
        row["place"] = places.setdefault(place, len(places))
    _relate(rows)
    shapes, specs = page_charts.run_specs(runs, t)
    factors, metrics = _by_runs(chart_data.FACTORS, rows), _by_runs("metric_", rows)
    columns = run_tables.columns(factors, metrics)
    run_tables.describe(rows, runs, [column["key"] for column in columns], t)
    return {
        "words": t.words,
        "runs": rows,
        "places": list(places),
        "conditions": _marks(run.condition for run in runs),
        "quantiles": [student_t(n) for n in range(1, max(2, len(runs)))],
        "columns": [{**column, "name": t(column["name"])} for column in columns],
        "domains": domains,
        "hyperparameters": [
            {
                "name": name,
                "label": t(run_tables.factor_title(name)),
                "kind": chart_data.axis_of(_values(name, rows)),
            }
            for name in factors
        ],
        "metrics": [{"name": name, "less": charts.minimised(name)} for name in metrics],
        "shapes": shapes,
        "runCharts": specs,
        "charts": t.chart(page_charts.overview_specs(rows, domains)),
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


def _by_runs(prefix: str | tuple[str, ...], rows: Sequence[Row]) -> list[str]:
    """Columns of such a prefix and several values, the ones that most runs have first."""
    names = {name for row in rows for name in row if name.startswith(prefix)}
    values = {name: _values(name, rows) for name in names}
    varying = [name for name in names if len(set(map(str, values[name]))) > 1]
    return sorted(varying, key=lambda name: (-len(values[name]), name))


def _values(name: str, rows: Iterable[Row]) -> list[Any]:
    return [row[name] for row in rows if row.get(name) is not None]
