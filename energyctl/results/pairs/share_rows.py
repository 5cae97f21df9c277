"""Whose energy it is, by domain: as JSON, and as rows of the tables `shares` and `pairs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from energyctl.results.pairs.figure import Figure
from energyctl.results.pairs.share_sums import PARTS, shares_sum
from energyctl.results.pairs.shares import Division, DomainShares
from energyctl.results.tables import Row
from energyctl.results.tables.pair_layout import KINDS, SHARE_FIGURES, band_of

_NAMES = {"marginal_of_equal_work": "equal_work_marginal"}
"""Figures that :class:`DomainShares` names otherwise."""


def domain_document(found: DomainShares) -> dict[str, Any]:
    """As ``attribute --json`` has it."""
    figures, missing = _figures(found)
    return {
        **figures,
        "estimators": _estimators(found),
        "closure": found.closure,
        "verdict": found.verdict,
        "reasons": list(found.reasons),
        "jobs": dict(found.jobs),
        "differential": {"share": found.differential, "of": found.differential_of},
        "missing": missing,
    }


def domain_row(found: DomainShares) -> Row:
    """Of the table `shares`, without the columns that say which pair and domain it is."""
    figures, missing = _figures(found)
    row: Row = {
        "verdict": found.verdict,
        "reasons": "; ".join(found.reasons) or None,
        **figures,
        "closure": found.closure,
        "differential": found.differential,
        "differential_of": found.differential_of,
    }
    for name, division in found.divisions.items():
        row |= {f"{name}_{key}": value for key, value in _division(division).items()}
        if division.missing is not None:
            missing[name] = division.missing
    return {**row, "missing": "; ".join(f"{key}: {why}" for key, why in missing.items()) or None}


def kind_columns(
    domains: Mapping[str, DomainShares], kinds: Mapping[str, str | None]
) -> tuple[Row, list[str]]:
    """Of the table `pairs`: sums over its GPUs, and over its CPU packages, with the reasons for
    those that are not known. kinds: of the domains."""
    row, reasons = Row(), []
    for kind in KINDS:
        names = [name for name in domains if kinds.get(name) == kind]
        if not names:
            continue
        found = shares_sum(domains, names)
        row[f"{kind}_verdict"] = found.verdict
        for part in PARTS:
            figure: Figure = getattr(found, part)
            key = f"{kind}_{part}_joules"
            row |= {key: figure.value, band_of(key): figure.uncertainty}
        if found.foreground.missing is not None:
            reasons.append(f"shares of {kind}: {found.foreground.missing}")
    return row, reasons


def _figures(found: DomainShares) -> tuple[dict[str, float | None], dict[str, str]]:
    """By name, and why some are not known."""
    figures, missing = dict[str, float | None](), dict[str, str]()
    for name in SHARE_FIGURES:
        figure: Figure = getattr(found, _NAMES.get(name, name))
        key = f"{name}_joules"
        figures |= {key: figure.value, band_of(key): figure.uncertainty}
        if figure.value is None:
            missing[key] = figure.missing or "not known"
    return figures, missing


def _division(division: Division) -> dict[str, float | None]:
    figures = dict[str, float | None]()
    for side in ("foreground", "background"):
        figure: Figure = getattr(division, side)
        key = f"{side}_joules"
        figures |= {key: figure.value, band_of(key): figure.uncertainty}
    return figures


def _estimators(found: DomainShares) -> dict[str, Any]:
    divisions = found.divisions
    missing = {name: one.missing for name, one in divisions.items() if one.missing is not None}
    return {
        **{name: None if name in missing else _division(one) for name, one in divisions.items()},
        "missing": missing,
    }
