"""What a calibration against a wall meter says of runs, in sentences. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from energyctl.text import count, energy

if TYPE_CHECKING:
    from energyctl.results.api import Run, RunEnergy


def wall_sentences(runs: Sequence[Run]) -> list[str]:
    """None where no calibration of their machines is kept."""
    noted = [run.energy for run in runs if run.energy and run.energy.wall_note]
    estimated = [one for one in noted if one.wall_joules_estimated is not None]
    notes = dict.fromkeys(str(one.wall_note) for one in estimated)
    sentences = [
        _sum([one for one in estimated if one.wall_note == note], note, len(runs)) for note in notes
    ]
    lacking = Counter(one.wall_note for one in noted if one.wall_joules_estimated is None)
    return sentences + [
        f"no energy at the wall of {count(number, 'run')}: {note}"
        for note, number in lacking.items()
    ]


def _sum(energies: Sequence[RunEnergy], note: str, runs: int) -> str:
    joules = math.fsum(one.wall_joules_estimated or 0.0 for one in energies)
    band = math.fsum(one.wall_uncertainty_joules_estimated or 0.0 for one in energies)
    of = f", of {count(len(energies), 'run')}" if len(energies) < runs else ""
    return f"at the wall: {energy(joules, band)}{of}, {note}"
