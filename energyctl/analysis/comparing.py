"""``energyctl.compare``: runs compared by condition, or by another value, as an object.

Nothing here is imported before it is asked for: SciPy, Altair and polars are of the extra `report`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from energyctl.errors import SettingsError
from energyctl.results.tables import Row
from energyctl.system.dependencies import extra_install

if TYPE_CHECKING:
    import polars

    from energyctl.analysis.charts import Panel
    from energyctl.analysis.compare import CompareOptions, Comparison, Correlation, Study
    from energyctl.analysis.compare.cells import ContrastTable
    from energyctl.results.api import Run


def compare(
    runs: Iterable[Run],
    by: str = "condition",
    base: str | None = None,
    margin: float | None = None,
    measures: str | Sequence[str] | None = None,
    confidence: float = 0.95,
) -> ComparedRuns:
    """Groups of runs by a value, each against the group *base*: block by block where they stand in
    blocks.

    base: default one whose runs all were alone, else the first. margin: the share up to which a
    difference does not matter, as 0.05. measures: columns of the table of runs, the main one first;
    default total energy and by kind, duration, mean power. Raises SettingsError where nothing can
    be compared, for a value that is not fitting, and without the extra `report`.
    """
    if not 0.5 < confidence < 1:
        raise SettingsError(f"confidence {confidence}: write a share between 0.5 and 1, as 0.95")
    if margin is not None and not 0 < margin < 1:
        raise SettingsError(f"margin {margin}: write a share between 0 and 1, as 0.05")
    options = library().CompareOptions(confidence, margin)
    names = [measures] if isinstance(measures, str) else measures or ()
    return ComparedRuns(study_of([run.row for run in runs], by, base, names, options))


def study_of(
    rows: Sequence[Row],
    by: str = "condition",
    base: str | None = None,
    measures: Sequence[str] = (),
    options: CompareOptions | None = None,
) -> Study:
    """What is found of rows of the table of runs. Raises SettingsError as :func:`compare`."""
    found = library()
    names = [found.check_measure(rows, name) for name in measures] or [
        name for name in found.DEFAULT_MEASURES if any(row.get(name) is not None for row in rows)
    ]
    if not names:
        raise SettingsError("nothing can be compared: no run has an energy or a duration")
    options = options or found.CompareOptions()
    groups = found.by_name(rows, by)
    if groups is None:
        good, _, notes = found.usable(rows)
        trend: Study = found.correlate_rows(good, by, names, options, notes)
        return trend
    study: Study = found.compare_groups(found.based_on(groups, base, by), names, options, by)
    return study


def conditions_of(runs: Iterable[Run]) -> Study | None:
    """The conditions of the same trainings, compared; None where there are no two. Raises
    SettingsError where SciPy is missing."""
    runs = list(runs)
    if len({run.condition for run in runs if run.status == "succeeded" and not run.warm_up}) < 2:
        return None
    library()
    try:
        study = study_of([run.row for run in runs])
    except SettingsError:
        return None
    return study if all(one.training is not None for one in study.comparisons) else None


def library() -> Any:
    """The package of comparisons. Raises SettingsError where SciPy is missing, or broken."""
    try:
        from energyctl.analysis import compare as found
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("scipy", "numpy"):
            raise
        raise SettingsError(f"compare needs SciPy: {extra_install('report')}") from error
    except Exception as error:  # its compiled parts do not fit each other, or this machine
        why = f"SciPy cannot be imported ({error}); install it anew"
        raise SettingsError(f"{why}: {extra_install('report')}") from error
    return found


class ComparedRuns:
    """Groups of runs, compared; the last line of a notebook's cell shows itself.

    study: all that was found, as `energyctl.analysis.compare` has it.
    """

    def __init__(self, study: Study) -> None:
        self.study = study

    @property
    def sentences(self) -> list[str]:
        """What is said of the main measure: of each training and condition, and of all together."""
        return [sentence for sentence, _ in self.study.sentences()]

    def table(self) -> polars.DataFrame:
        """A row per measure, training and condition (of a trend, per measure and training).

        Means are geometric, in the measure's unit; changes in per cent of the base. Null: not
        known, or the measure has no ratios.
        """
        from energyctl.results.time_series import dataframes

        rows = [
            *(_contrast(one) for one in self.study.comparisons),
            *(_trend(one) for one in self.study.correlations),
        ]
        table: polars.DataFrame = dataframes().DataFrame(rows, infer_schema_length=None)
        return table

    def document(self) -> dict[str, Any]:
        """What `energyctl compare --json` prints."""
        document: dict[str, Any] = library().document(self.study)
        return document

    def methods(self) -> str:
        """A paragraph of methods for a paper."""
        text: str = library().methods_text(self.study)
        return text

    def panels(self, conditions: Iterable[str] = ()) -> tuple[list[Panel], dict[str, list[Row]]]:
        """What the figure is drawn from. conditions: further ones of the same runs, so that each is
        drawn as in their other figures. Raises SettingsError for a trend."""
        from energyctl.analysis.charts.block_rows import panels

        if self.study.correlations:
            raise SettingsError(
                f"{self.study.by} has too many values for groups: "
                "energyctl plot --kind effect draws a trend"
            )
        return panels(self.study, conditions)

    def figure(self, width: float = 640, height: float = 220) -> Any:
        """The figure of the main measure as an Altair chart, with its data in it. Sizes in pixels.
        Raises SettingsError for a trend."""
        from energyctl.analysis import charts

        panels, rows = self.panels()
        chart = charts.comparison(panels, width, height)
        chart.datasets = rows
        # It has no legends, and Altair does not know of their layout.
        chart.config = {k: v for k, v in charts.config("light").items() if k != "legend"}
        return chart

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_html_(self) -> str:
        """Sentences with their lines, and the table of the main measure."""
        from energyctl.analysis.compare.cells import contrast_tables

        said = "".join(
            f"<p>{escape(sentence)}</p>" + _listed(lines)
            for sentence, lines in self.study.sentences()
        )
        table = "".join(_html(one) for one in contrast_tables(self.study)[:1])
        return f"<div>{said}{table}{_listed(self.study.notes)}</div>"


_ENDS = {
    "change_percent": "mean",
    "change_low_percent": "low",
    "change_high_percent": "high",
    "at_most_percent": "at_most",
    "at_least_percent": "at_least",
}
"""Column → of the logarithm of the ratio."""


def _contrast(found: Comparison) -> Row:
    from energyctl.analysis.compare.cells import estimated

    ratio = found.ratio
    means = [of.mean if ratio is None else of.geometric_mean for of in (found.a, found.b)]
    changes = {name: None if ratio is None else getattr(ratio, of) for name, of in _ENDS.items()}
    return {
        "training": found.training,
        "measure": found.measure,
        "unit": found.unit,
        "estimated": estimated(found),
        "base": found.a.name,
        "condition": found.b.name,
        "design": found.sample.design,
        "n": found.found.n,
        "base_mean": means[0],
        "condition_mean": means[1],
        **{n: None if end is None else 100 * math.expm1(end) for n, end in changes.items()},
        "difference": found.difference.mean,
        "more_in": found.more_in,
        "p_adjusted": found.p_adjusted,
        "verdict": found.verdict,
    }


def _trend(found: Correlation) -> Row:
    rho = found.rho
    return {
        "training": found.training,
        "measure": found.measure,
        "against": found.name,
        "n": found.n,
        "rho": rho.value,
        "rho_low": rho.low,
        "rho_high": rho.high,
        "p_adjusted": found.p_adjusted,
    }


def _listed(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _html(table: ContrastTable) -> str:
    def row(kind: str, cells: Iterable[str]) -> str:
        return "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in cells) + "</tr>"

    body = "".join(row("td", cells) for cells in table.rows)
    head = f"<tr><th colspan='{len(table.head)}'>{escape(table.name)}</th></tr>"
    return f"<table>{head}{row('th', table.head)}{body}</table><p>{escape(table.foot)}</p>"
