"""Comparisons as booktabs tables for papers: for a column, or for a page's width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from energyctl.analysis import compare
from energyctl.analysis.compare import cells

_NEEDS = "% needs \\usepackage{array,booktabs}"
_SMALL = "{\\footnotesize\\setlength{\\tabcolsep}{3pt}%"
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
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
    """A table of the main measure: under each training a row for each pair of groups.

    wide: with the means, the one-sided limit and the verdict, for the width of a page.
    """
    if study.correlations:
        return _correlations(study)
    rows = study.of_main()
    columns = WIDE if wide else NARROW
    scale = cells.scale_of(rows)
    lines = [_row(columns, _head(study, scale))]
    for training, of in groupby(rows, lambda one: one.training):
        lines += [
            "\\midrule",
            *([] if training is None else [_across(columns, _breakable(training))]),
        ]
        lines += [_row(columns, _cells(one, scale)) for one in of]
    lines += [
        f"\\midrule {_row(columns, _overall(one))}"
        for one in study.overalls
        if one.measure == study.measures[0]
    ]
    foot = _across(columns, escaped(cells.foot(rows)))
    lines += ["\\bottomrule \\addlinespace[2pt]", foot]
    left = {"": _LEFT.format(0.2 if wide else 0.3), "verdict": _LEFT.format(0.13)}
    return _table(study, "".join(left.get(column, "r") for column in columns), lines)


def _across(columns: Sequence[str], text: str) -> str:
    """A row of one cell, as wide as the table."""
    return f"\\multicolumn{{{len(columns)}}}{{@{{}}{_LEFT.format(1)}@{{}}}}{{{text}}} \\\\"


def _table(study: compare.Study, kinds: str, lines: Sequence[str]) -> str:
    begin = f"\\begin{{tabular}}{{@{{}}{kinds}@{{}}}}"
    rows = [begin, "\\toprule", *lines, "\\end{tabular}"]
    return "\n".join([_NEEDS, *_comments(study), _SMALL, *rows, "}"])


def _row(columns: Sequence[str], cells: Mapping[str, str]) -> str:
    row = " & ".join(cells.get(column, "") for column in columns) + " \\\\"
    return f"{{}}{row}" if row.startswith(("[", "*")) else row  # else options of the line before


def _head(study: compare.Study, scale: cells.Scale) -> dict[str, str]:
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


def _cells(found: compare.Comparison, scale: cells.Scale) -> dict[str, str]:
    unit = f" in {scale.unit}" if scale.unit else ""
    difference = "" if found.ratio is not None else f" (a difference{unit})"
    return {
        "": _breakable(f"{found.b.name} against {found.a.name}{difference}"),
        "n": cells.size_text(found),
        "a": f"${cells.mean_text(found, found.a, scale)}$",
        "b": f"${cells.mean_text(found, found.b, scale)}$",
        "ratio": _bounded(cells.changes(found, scale)),
        "most": escaped(cells.at_most_text(found, scale)),
        "more": escaped(cells.more_in_text(found)),
        "p": _p(found.p_adjusted),
        "verdict": escaped(found.verdict),
    }


def _overall(found: compare.Overall) -> dict[str, str]:
    name = f"all {found.trainings} trainings: {found.b} against {found.a}"
    return {
        "": _breakable(name),
        "n": f"{found.trainings}",
        "ratio": _bounded(cells.shares(found.like)),
        "p": _p(found.p_adjusted),
        "verdict": escaped(found.verdict),
    }


def _bounded(texts: Sequence[str]) -> str:
    value, *edges = texts
    return f"${value}$" + (f" (${edges[0]}$ to ${edges[1]}$)" if edges else "")


def _p(p: float | None) -> str:
    return f"${cells.p_cell(p)}$" if p is not None else "--"


def _comments(study: compare.Study) -> list[str]:
    """A table that is pasted elsewhere keeps what its figures leave out."""
    below = [line for _, lines in study.sentences() for line in lines]
    return [f"% note: {_plain(line)}" for line in (*below, *study.notes)]


def _correlations(study: compare.Study) -> str:
    lines = ["Training & $n$ & Spearman's $\\rho$ & $p$ \\\\", "\\midrule"]
    for one in study.correlations:
        if one.measure == study.measures[0]:
            name = _breakable(one.training or "all")
            lines.append(f"{name} & {one.n} & {_rho(one.rho)} & {_p(one.p_adjusted)} \\\\")
    return _table(study, _LEFT.format(0.35) + "rrr", [*lines, "\\bottomrule"])


def _rho(rho: compare.Estimate) -> str:
    if rho.value is None:
        return "--"
    known = rho.low is not None and rho.high is not None
    return f"${rho.value:+.2f}$" + (f" (${rho.low:+.2f}$ to ${rho.high:+.2f}$)" if known else "")


def _plain(text: str) -> str:
    """For a comment: nothing may end its line."""
    return "".join(c if c.isprintable() else " " for c in text)
