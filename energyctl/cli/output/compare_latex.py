"""Comparisons as booktabs tables for papers: for a column, or for a page's width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from energyctl.analysis import compare
from energyctl.cli.output.compare import (
    Scale,
    at_most,
    change,
    counted,
    difference,
    mean_figure,
    meters_text,
    rho_text,
    scale_of,
)

_NEEDS = "% needs \\usepackage{array,booktabs}"
_SMALL = "{\\footnotesize\\setlength{\\tabcolsep}{3pt}%"
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "÷": r"$\div$", "−": r"$-$", "…": r"\dots{}", "–": "--", "±": r"$\pm$", "×": r"$\times$",
    "°": r"\textdegree{}", "’": "'",
}  # fmt: skip


def escaped(text: str) -> str:
    """*text* as LaTeX sets it, character by character; control characters become spaces."""
    return "".join(_SPECIAL.get(c, c if c.isprintable() else " ") for c in text)


NARROW, WIDE = ("", "n", "ratio", "p"), ("", "n", "a", "b", "ratio", "most", "more", "p", "verdict")
"""The columns of either table."""
_LEFT = ">{{\\raggedright\\arraybackslash}}p{{{}\\linewidth}}"


def _breakable(name: str) -> str:
    """A name, which may end a line behind what joins its words."""
    text = escaped(name)
    for mark in (r"\_", "/", "-"):
        text = text.replace(mark, mark + r"\allowbreak{}")
    return text


def latex(study: compare.Study, *, wide: bool) -> str:
    """A table of the main measure, with a row for each training and pair of groups. wide: with the
    means, the one-sided limit and the verdict, for the width of a page."""
    if study.correlations:
        return _correlations(study)
    rows = study.of_main()
    columns = WIDE if wide else NARROW
    scale = scale_of(rows[0].unit, rows)
    lines = [_row(columns, _head(study, scale)), "\\midrule"]
    lines += [_row(columns, _cells(one, scale)) for one in rows]
    lines += [
        f"\\midrule {_row(columns, _overall(one))}"
        for one in study.overalls
        if one.measure == study.measures[0]
    ]
    foot = f"{{{_foot(rows[0])}}}"
    span = f"{{{len(columns)}}}{{@{{}}p{{\\linewidth}}@{{}}}}"
    lines += ["\\bottomrule \\addlinespace[2pt]", f"\\multicolumn{span}{foot} \\\\"]
    left = {"": _LEFT.format(0.2 if wide else 0.3), "verdict": _LEFT.format(0.13)}
    kinds = "".join(left.get(column, "r") for column in columns)
    table = _tabular(f"@{{}}{kinds}@{{}}", lines)
    return "\n".join([_NEEDS, *_comments(study), _SMALL, *table, "}"])


def _row(columns: Sequence[str], cells: Mapping[str, str]) -> str:
    return " & ".join(cells.get(column, "") for column in columns) + " \\\\"


def _head(study: compare.Study, scale: Scale) -> dict[str, str]:
    unit = f" ({escaped(scale.unit)})" if scale.unit else ""
    return {
        "n": "$n$",
        "a": f"$A${unit}",
        "b": f"$B${unit}",
        "ratio": f"$B/A-1$ ({100 * study.options.confidence:g}\\,\\% interval), \\%",
        "most": "at most",
        "more": "more in",
        "p": "$p$",
        "verdict": "verdict",
    }


def _cells(found: compare.Comparison, scale: Scale) -> dict[str, str]:
    training = "" if found.training is None else f"{found.training}: "
    return {
        "": _breakable(f"{training}{found.b.name} against {found.a.name}"),
        "n": f"{found.found.n}" if found.sample.blocks else f"{found.a.n} / {found.b.n}",
        "a": f"${mean_figure(found.a, scale)}$",
        "b": f"${mean_figure(found.b, scale)}$",
        "ratio": _interval(found, scale),
        "most": escaped(at_most(found)),
        "more": "--" if found.more_in is None else f"{found.more_in} of {found.found.n}",
        "p": _p(found.p_adjusted),
        "verdict": escaped(found.verdict),
    }


def _overall(found: compare.Overall) -> dict[str, str]:
    name = f"all {found.trainings} trainings: {found.b} against {found.a}"
    return {
        "": _breakable(name),
        "n": f"{found.trainings}",
        "ratio": _bounded(change(found.like)),
        "p": _p(found.p_adjusted),
        "verdict": escaped(found.verdict),
    }


def _interval(found: compare.Comparison, scale: Scale) -> str:
    if found.ratio is None:
        return f"{_bounded(difference(found.difference, scale))} (a difference)"
    return _bounded(change(found.ratio))


def _bounded(texts: Sequence[str]) -> str:
    value, *edges = (text.removesuffix(" %") for text in texts)
    return f"${value}$" + (f" (${edges[0]}$ to ${edges[1]}$)" if edges else "")


def _p(p: float | None) -> str:
    if p is None:
        return "--"
    return "$<0.0001$" if p < 0.0001 else f"${p:.2g}$"


def _foot(found: compare.Comparison) -> str:
    """What the figures are, under the table itself."""
    family = found.family_size
    holm = f"; $p$ with Holm's correction over {family} comparisons" if family > 1 else ""
    means = "Means" if found.ratio is None else "Geometric means"
    return (
        f"{means} of {escaped(compare.name_of(found.measure))}; intervals by Student's $t$ of the "
        f"{counted(found)}{holm}{escaped(meters_text(found))}. $\\pm$ is not used."
    )


def _tabular(columns: str, lines: Sequence[str]) -> list[str]:
    return [f"\\begin{{tabular}}{{{columns}}}", "\\toprule", *lines, "\\end{tabular}"]


def _comments(study: compare.Study) -> list[str]:
    """A table that is pasted elsewhere keeps what its figures leave out."""
    below = [line for _, lines in study.sentences() for line in lines]
    return [f"% note: {_plain(line)}" for line in (*below, *study.notes)]


def _correlations(study: compare.Study) -> str:
    lines = ["Training & $n$ & Spearman's $\\rho$ & $p$ \\\\", "\\midrule"]
    for one in study.correlations:
        if one.measure == study.measures[0]:
            rho = rho_text(one.rho, " [{}, {}]")
            cells = escaped(one.training or "all"), f"{one.n}", f"${rho}$", _p(one.p_adjusted)
            lines.append(f"{' & '.join(cells)} \\\\")
    lines.append("\\bottomrule")
    return "\n".join([_NEEDS, *_comments(study), *_tabular("lrrr", lines)])


def _plain(text: str) -> str:
    """For a comment: nothing may end its line."""
    return "".join(c if c.isprintable() else " " for c in text)
