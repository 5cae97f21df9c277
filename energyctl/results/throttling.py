"""What held GPUs and CPUs down during a training, and when its figures suffer from that. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from energyctl.energy.schema import PhaseJson
from energyctl.results.phases import kind_of
from energyctl.text import number, percent

LEAST_SHARE = 0.01
"""Of the time; less is not worth a word."""

ALIKE = 0.5
"""A baseline that was held down for this much of the training's share was held down like it."""

WORDS = {
    "power_cap": "its power limit",
    "heat": "heat",
    "power_brake": "its power supply (external power brake)",
    "slowdown": "its hardware, which does not say why",
}

Cause = tuple[str, str]
"""Device and what held it down: ("gpu-0", "power_cap"), ("package-0", "heat")."""

Stretch = tuple[float, Mapping[Cause, float | None]]
"""Seconds, and for how many of them each cause acted; None: not known."""


def stretch_of(phase: PhaseJson) -> Stretch:
    state = phase.get("state")
    acted: dict[Cause, float | None] = {}
    for name, gpu in state["gpus"].items() if state else ():
        acted |= {(name, limit): s for limit, s in (gpu["limited_seconds"] or {}).items()}
    for name, cpu in state["cpus"].items() if state else ():
        acted[name, "heat"] = cpu["throttle_seconds"]
    return phase["end"] - phase["start"], acted


def shares(stretches: Iterable[Stretch]) -> dict[Cause, float]:
    """Of the time of which it is known, for each cause that is told."""
    known: dict[Cause, list[tuple[float, float]]] = {}
    for seconds, acted in stretches:
        for cause, active in acted.items():
            if active is not None and seconds > 0:
                known.setdefault(cause, []).append((seconds, min(active, seconds)))
    return {
        cause: sum(active for _, active in parts) / sum(seconds for seconds, _ in parts)
        for cause, parts in known.items()
    }


def warnings(phases: Sequence[PhaseJson], start: float, end: float) -> list[str]:
    """start, end: of the training, among the *phases* of its run (Unix seconds)."""
    training = [
        p for p in phases if kind_of(p["name"]) == "foreground" and start <= _middle(p) <= end
    ]
    alone = [p for p in phases if p["name"] == "background_only" and p["end"] <= start]
    lines = []
    for (device, cause), share in shares(map(stretch_of, training)).items():
        if share <= LEAST_SHARE:
            continue
        clock = _clock(training, device)
        if cause == "power_cap":
            lines += _beside_a_limit(
                device, f"{percent(share)} of the training{clock}", alone, share
            )
        else:
            lines.append(
                f"{device} was held down by {WORDS[cause]} for {percent(share)} of the training"
                f"{clock}: it worked more slowly, and drew less, than it would have"
            )
    return lines


def _beside_a_limit(
    device: str, training_words: str, alone: Sequence[PhaseJson], share: float
) -> list[str]:
    """A line where its power limit held down the training, and not the load *alone* like it."""
    before = shares(map(stretch_of, alone)).get((device, "power_cap"))
    if not alone or (before is not None and before >= ALIKE * share):
        return []
    if before is None:
        return [
            f"{device} was held down by its power limit for {training_words}: whether it was so "
            "under the load alone, too, is not known; if not, the training slowed the background, "
            "and marginal_joules is less than what the training itself drew"
        ]
    return [
        f"{device} was held down by its power limit for {training_words}, but for "
        f"{percent(before)} of the load alone before it{_clock(alone, device)}: the training "
        "slowed the background, and marginal_joules is less than what the training itself drew"
    ]


def _middle(phase: PhaseJson) -> float:
    return (phase["start"] + phase["end"]) / 2


def _clock(phases: Sequence[PhaseJson], device: str) -> str:
    """Mean clock of the phases together; empty where it is not known."""
    known = []
    for phase in phases:
        gpu = phase["state"]["gpus"].get(device) if "state" in phase else None
        if gpu is not None and gpu["sm_mhz"] is not None:
            known.append((phase["end"] - phase["start"], gpu["sm_mhz"]))
    total = sum(seconds for seconds, _ in known)
    if not total:
        return ""
    return f" (SM clock {number(sum(s * mhz for s, mhz in known) / total)} MHz)"
