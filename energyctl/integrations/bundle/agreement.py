"""Whether runs that were done again took the energy that they took before. Pure.

Each run is held against its original, which has the same values and seed. They agree where the mean
difference is no more than the meters' bands of both sides together, and the run-to-run spread: by
Student's t (95 %), the standard error of the differences. Bands are added plainly, as those of a
total's domains are: they are no standard deviations. A spread needs two runs of a kind; energies
that are estimated, of other domains or of another machine are shown, and nothing is claimed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, Literal

from energyctl.energy.block_power import student_t
from energyctl.results.api import Run
from energyctl.text import first_of, percent

Verdict = Literal["agrees", "differs", "cannot be told"]
Both = tuple[Run, Run]
"""Original and reproduction of a run."""


@dataclass(frozen=True)
class Agreement:
    """Of one training and condition, over n runs. Energies in joules, seconds: means.
    measured: whether no part of either side is an estimate.

    tolerance: share of the original's energy up to which they agree; None: there is none. why:
    what keeps the verdict from being told.
    """

    training: str
    condition: str
    n: int
    verdict: Verdict
    original: float | None = None
    reproduction: float | None = None
    measured: tuple[bool, bool] = (True, True)
    seconds: tuple[float, float] | None = None
    tolerance: float | None = None
    why: str | None = None

    @property
    def difference(self) -> float | None:
        """As a share of the original's energy."""
        if self.original is None or self.reproduction is None or not self.original:
            return None
        return self.reproduction / self.original - 1

    @property
    def words(self) -> str:
        if self.verdict == "agrees":
            return f"agrees within {_share(self.tolerance)}"
        if self.verdict == "differs":
            return f"differs by {_share(self.difference)} (more than {_share(self.tolerance)})"
        return f"cannot be told: {self.why}"


def _share(value: float | None) -> str:
    return percent(abs(value or 0.0))


def agreements(pairs: Sequence[Both], elsewhere: str | None) -> list[Agreement]:
    """One for each training and condition. elsewhere: what makes it another machine."""
    groups: dict[tuple[str, str], list[Both]] = {}
    for pair in pairs:
        if not pair[0].warm_up:
            name = f"{pair[0].repository} / {pair[0].model}"
            groups.setdefault((name, pair[0].condition), []).append(pair)
    return [_agreement(*name, found, elsewhere) for name, found in groups.items()]


def _agreement(
    training: str, condition: str, pairs: Sequence[Both], elsewhere: str | None
) -> Agreement:
    good = [
        (one, other)
        for one, other in pairs
        if one.status == other.status == "succeeded" and _total(one) and _total(other)
    ]
    if not good:
        none = "no run of both succeeded with an energy"
        return Agreement(training, condition, 0, "cannot be told", why=none)
    before, after = fmean(_total(one) for one, _ in good), fmean(_total(one) for _, one in good)
    seconds = fmean(_seconds(one) for one, _ in good), fmean(_seconds(one) for _, one in good)
    tolerance, spread = _tolerance(good)
    share = None if tolerance is None else tolerance / before
    why: str | None = elsewhere or _untold(good, share)
    verdict: Verdict = "cannot be told"
    if why is None and tolerance is not None:
        verdict = "agrees" if abs(after - before) <= tolerance else "differs"
        if verdict == "differs" and not spread:
            verdict = "cannot be told"
            why = (
                f"it differs by {_share(after / before - 1)}, more than the meters' bands of "
                f"{_share(share)}, and one run tells no run-to-run spread"
            )
    measured = _measured(one for one, _ in good), _measured(one for _, one in good)
    return Agreement(
        training, condition, len(good), verdict, before, after, measured, seconds, share, why
    )


def _measured(runs: Iterable[Run]) -> bool:
    return all(run.energy is not None and bool(run.energy.measured) for run in runs)


def _total(run: Run) -> float:
    return (run.energy.total_joules if run.energy else None) or 0.0


def _seconds(run: Run) -> float:
    return float(run.row.get("energy_seconds") or 0.0)


def _tolerance(pairs: Sequence[Both]) -> tuple[float | None, bool]:
    """Joules, and whether the spread of runs is in it; None: a band is not known."""
    bands: list[float] = []
    for side in (0, 1):
        told = [pair[side].energy.uncertainty_joules for pair in pairs if pair[side].energy]  # type: ignore[union-attr]
        if None in told:
            return None, False
        bands.append(fmean(one for one in told if one is not None))
    differences = [_total(other) - _total(one) for one, other in pairs]
    n = len(differences)
    if n < 2:
        return sum(bands), False
    return sum(bands) + student_t(n - 1) * stdev(differences) / math.sqrt(n), True


def _untold(pairs: Sequence[Both], share: float | None) -> str | None:
    """What of the runs themselves keeps a verdict from being told."""
    if not _measured(run for pair in pairs for run in pair):
        return "a part of the energy is an estimate"
    if any(one.row.get("total_of") != other.row.get("total_of") for one, other in pairs):
        return "the totals are of other domains"
    if share is None:
        return "how far the meters may be off is not known"
    if share >= 1:
        return "bands and spread are as wide as the energy itself"
    return None


def other_machine(originals: Sequence[Run], reproductions: Sequence[Run]) -> str | None:
    """Why the two sides are not of one machine; None where they are."""
    before, after = ([_machine(run) for run in side] for side in (originals, reproductions))
    for what in ("CPU", "GPUs", "host"):
        there = sorted({one[what] for one in before})
        here = sorted({one[what] for one in after})
        if there != here:
            kind = "another specimen or host" if what == "host" else "another machine"
            return f"{kind}: {what} {first_of(here, 3)}, not {first_of(there, 3)}"
    return None


def _machine(run: Run) -> dict[str, str]:
    facts = run.environment
    gpus = facts.get("gpus") or ()
    return {
        "CPU": str(facts.get("cpu")),
        "GPUs": ", ".join(f"{gpu.get('name')} {gpu.get('uuid')}" for gpu in gpus) or "none",
        "host": str(facts.get("hostname")),
    }


def changed_versions(originals: Sequence[Run], reproductions: Sequence[Run]) -> list[str]:
    """A line for each version that is not as it was: it may be why energies differ."""
    lines = []
    for name in ("energyctl", "python", "kernel", "os", "governors", "driver", "power limit"):
        before, after = (sorted({_version(r, name) for r in side} - {"None"}) for side in
                         (originals, reproductions))  # fmt: skip
        if before and after and before != after:
            lines.append(f"{name}: {first_of(before, 3)} then, {first_of(after, 3)} now")
    return lines


def _version(run: Run, name: str) -> str:
    facts: Mapping[str, Any] = run.environment
    gpus = facts.get("gpus") or ()
    if name == "driver":
        return ", ".join(sorted({str(gpu.get("driver")) for gpu in gpus})) or "None"
    if name == "power limit":
        limits = [gpu.get("power_limit_watts") for gpu in gpus]
        return ", ".join(f"{one} W" for one in limits if one is not None) or "None"
    value = facts.get(name)
    return ", ".join(value) if isinstance(value, list) else str(value)
