"""The energies of a training's epochs and marks, by the samples around them."""

from __future__ import annotations

import math
from typing import Any, cast

from energyctl.energy import Recording
from energyctl.energy.schema import EpochJson, MarkJson, StretchJson, ToldEnergiesJson
from energyctl.meters.marks.timeline import Timeline

ARRIVAL_SECONDS = 0.1
"""A line that does not say when it was sent may be seen only after its training has ended."""


def told_energies(
    timeline: Timeline, recording: Recording, start: float, end: float
) -> ToldEnergiesJson:
    """Of a training from *start* to *end* (Unix seconds); without what it did not tell."""
    told: ToldEnergiesJson = {}
    if epochs := epochs_json(timeline, recording, start, end):
        told["epochs"] = epochs
    if marks := marks_json(timeline, recording, start, end):
        told["marks"] = marks
    return told


def epochs_json(
    timeline: Timeline, recording: Recording, start: float, end: float
) -> list[EpochJson]:
    """Those that ended from *start* to *end* of the training (Unix seconds)."""
    found: list[EpochJson] = []
    for one in timeline.epochs:
        begin = max(start, one.start if one.start is not None else start)
        until = min(end, one.end)
        if not begin < until or one.end > end + ARRIVAL_SECONDS:
            continue
        metrics = {n: v if math.isfinite(v) else None for n, v in one.metrics.items()}
        # mypy: an extended StretchJson might hold an epochs of another type.
        stretch: dict[str, Any] = {**_stretch(recording, begin, until)}
        epoch = cast("EpochJson", {"epoch": one.number, **stretch, "metrics": metrics})
        if one.epochs > 1:
            epoch["epochs"] = one.epochs
        found.append(epoch)
    return found


def marks_json(
    timeline: Timeline, recording: Recording, start: float, end: float
) -> list[MarkJson]:
    """What of them lies between *start* and *end* of the training (Unix seconds)."""
    spans = [
        (one.name, max(start, one.start), min(end, one.end if one.end is not None else end))
        for one in timeline.marks
    ]
    return [
        {"name": name, **_stretch(recording, begin, until)}
        for name, begin, until in spans
        if begin < until
    ]


def _stretch(recording: Recording, start: float, end: float) -> StretchJson:
    energy = recording.energy(start, end)
    stretch: StretchJson = {
        "start": start,
        "end": end,
        "joules": energy.total_joules,
        "uncertainty_joules": energy.uncertainty_joules,
        "domains": {one.domain.name: one.joules for one in energy.domains},
    }
    if energy.total_joules is None:
        unknown = [one.no_energy for one in energy.domains if one.joules is None]
        stretch["missing"] = "; ".join(unknown) or "no domain could be metered"
    return stretch
