"""A paragraph of methods for a paper: what was done with the runs of the main measure. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from energyctl.analysis.compare.comparison import Comparison
from energyctl.analysis.compare.measures import KINDS, estimates, parts_of
from energyctl.analysis.compare.samples import OF_CONDITIONS
from energyctl.analysis.compare.study import Study
from energyctl.results.machine_settings import name_in_words
from energyctl.results.tables import Row
from energyctl.text import count, number

DOMAINS = dict(zip(KINDS, ("CPU packages", "DRAM", "GPUs"), strict=True))


def methods_text(study: Study) -> str:
    """What a reader needs to repeat the analysis; of a trend, of that."""
    if study.correlations:
        return (
            "Trends are Spearman's rank correlations with intervals by Fisher's z (standard error "
            "of Bonett and Wright, 2000) and p-values from permutations."
        )
    main = study.of_main()
    rows = _rows(main)
    parts = [_design(study, main), _analysis(study, main), _margin(study)]
    if study.measures[0].startswith("total_joules"):
        parts.append(_meters(main, rows))
    parts.append(_runs(main, rows))
    return " ".join(part for part in parts if part)


def _rows(comparisons: Sequence[Comparison]) -> list[Row]:
    """Each run once."""
    every = (row for c in comparisons for side in (c.sample.a, c.sample.b) for row in side.rows)
    return list({row["experiment_id"]: row for row in every}.values())


def _design(study: Study, comparisons: Sequence[Comparison]) -> str:
    sizes = sorted({one.found.n for one in comparisons if one.sample.blocks})
    n = " to ".join(str(size) for size in dict.fromkeys((*sizes[:1], *sizes[-1:])))
    design = comparisons[0].sample.design
    were = "was" if study.warm_ups == 1 else "were"
    warm_ups = f"; {count(study.warm_ups, 'warm-up run')} {were} not analysed"
    warm = warm_ups if study.warm_ups else ""
    if design == "blocks":
        seeds = sorted({str(row["seed"]) for row in _rows(comparisons) if row.get("seed")})
        drawn = f" drawn with seed {', '.join(seeds)}" if seeds else ""
        balanced = _balanced(comparisons)
        order = f", in an order balanced over blocks and{drawn or ' drawn'}"
        if not balanced:
            order = "" if balanced is None else ", in an order that was not balanced"
        factor = study.by not in (None, *OF_CONDITIONS)
        each = f"at each {name_in_words(study.by or '')}" if factor else "under each condition"
        return (
            f"Each of n = {n} blocks held one set of hyper-parameters and training seed, and one "
            f"run {each}{order}{warm}."
        )
    if design == "pairs of equal values":
        return f"n = {n} pairs of runs had the same hyper-parameters and training seed{warm}."
    groups = sorted({(one.a.n, one.b.n) for one in comparisons})
    each = ", ".join(f"{a} and {b}" for a, b in groups)
    return f"The groups held {each} runs with values of their own, not in blocks{warm}."


def _balanced(comparisons: Sequence[Comparison]) -> bool | None:
    """Whether either group came first in about as many blocks; None where that is not known."""
    of = [[s for block in one.sample.blocks for s in block.seconds] for one in comparisons]
    if any(0 in signs for signs in of):
        return None
    return all(abs(sum(signs)) <= min(max(1, len(signs) // 3), len(signs) - 1) for signs in of)


def _analysis(study: Study, comparisons: Sequence[Comparison]) -> str:
    first = comparisons[0]
    level = f"{100 * study.options.confidence:g} % confidence intervals"
    freedom = first.found.freedom
    plural = "degree" if freedom == 1 else "degrees"
    degrees = "" if freedom is None else f" ({number(freedom, 3)} {plural} of freedom)"
    several = len(comparisons) > 1 and len({one.found.freedom for one in comparisons}) > 1
    degrees = "" if several else degrees
    if first.ratio is None:
        scale, means = "differences", "means"
    else:
        scale, means = "log ratios", "geometric means of ratios"
    of = {"blocks": "the blocks' ", "pairs of equal values": "the pairs' "}
    what = of.get(first.sample.design)
    if what is None:
        test = f"We compared the runs' {'logarithms' if first.ratio else 'values'} by Welch's t"
    else:
        test = f"We analysed {what}{scale} by Student's t{degrees}"
    level = f" with {level}" if first.found.low is not None else ""
    text = f"{test}: estimates are {means}{level}"
    if first.family_size > 1:
        text += f", p-values carry Holm's correction over {first.family_size} comparisons"
    flips = [one.flip_agrees for one in comparisons if one.flip_agrees is not None]
    if flips:
        agreed = all(flips)
        text += f"; an exact sign-flip test {'agreed' if agreed else 'did not always agree'}"
    return f"{text}."


def _margin(study: Study) -> str:
    if study.options.margin is None:
        return ""
    return (
        f"The margin of {number(100 * study.options.margin)} % was tested by one-sided tests at "
        f"{number(100 * study.options.alpha)} %."
    )


def _meters(comparisons: Sequence[Comparison], rows: Sequence[Row]) -> str:
    kinds = [
        name for kind, name in DOMAINS.items() if any(row.get(f"{kind}_joules") for row in rows)
    ]
    whole = ", ".join(kinds) or "the metered domains"
    text = f"Energies are of {whole} of the whole machine"
    band = parts_of(comparisons[0].measure)
    shares = [
        row[band.band] / row[band.joules]
        for row in rows
        if band.band and row.get(band.band) is not None and row.get(band.joules)
    ]
    if shares:
        text += f"; the meters' uncertainty was at most {number(100 * max(shares), 2)} % of a run"
    alike = all(one.meter is not None and one.meter.method == "one machine" for one in comparisons)
    if estimates(rows):
        text += "; a part of them is estimated"
    elif alike:
        text += "; calibration common to all runs of a machine cancels in ratios"
    return f"{text}."


def _runs(comparisons: Sequence[Comparison], rows: Sequence[Row]) -> str:
    sides = [side for one in comparisons for side in (one.sample.a, one.sample.b)]
    failed = {row["experiment_id"] for side in sides for row in side.failed}
    others = {row["experiment_id"] for side in sides for row in (*side.rows, *side.unused)}
    confounded = any(one.time_order is not None for one in comparisons)
    order = " Groups were not measured in turns, so that a drift may look like a difference."
    versions = sorted({str(row["energyctl"]) for row in rows if row.get("energyctl")})
    by = f" energyctl {', '.join(versions)}." if versions else ""
    return f"{len(failed)} of {len(failed | others)} runs failed.{order if confounded else ''}{by}"
