"""What `shares_on_gpu.py` makes of its stretches: shares, closures, verdicts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from statistics import fmean
from typing import Any

from energyctl.meters.twins.estimates import Stretch, specific_watts

TWINS_WITHIN, DUTY_WITHIN, SLEEPER_BUSY = 0.02, 0.03, 0.005
VERDICTS = (
    "twins get 50 ± 2 %",
    "twins get what they did ± 2 %",
    "25 % against 100 %: the ratio of shares is that of passes ± 3 %",
    "a context that does nothing is not busy",
)


def figures(of: Mapping[str, Stretch], missing: Collection[str]) -> dict[str, Any]:
    """Of all parts that were done. missing: those of which busy seconds are not told, too."""
    idle, held = of["idle"], of["one context"]
    found: dict[str, Any] = {
        "contexts": {
            "first_watts": held.watts - idle.watts,
            "second_watts": of["two contexts"].watts - held.watts,
        }
    }
    compute, memory = of["compute"], [of["memory"], of["memory again"]]
    found["drift"] = specific_watts(held, memory[1]) / specific_watts(held, memory[0]) - 1
    told = {name for name in of if name not in missing}
    pairs = {
        "both": (compute, memory),
        "twins": (compute, [compute]),
        "duty": (compute, [compute]),
        "mps both": (compute, memory),
    }
    if {"limited compute", "limited memory"} <= told:
        pairs["limited both"] = (of["limited compute"], [of["limited memory"]])
    for name, (one, others) in pairs.items():
        if name in of:
            found[name] = by_work(idle, one, others, of[name])
        if name in told:
            found[name] |= by_activity(held, one, others, of[name])
    if "sleeper" in told:
        found["sleeper"] = {"busy": of["sleeper"].busy(1), "of_seconds": of["sleeper"].seconds}
    return found


def by_activity(
    held: Stretch, one: Stretch, others: list[Stretch], both: Stretch
) -> dict[str, Any]:
    """Of the first: the energy above that of the held context."""
    x = specific_watts(held, one) * both.busy_seconds[0]
    y = fmean(specific_watts(held, other) for other in others) * both.busy_seconds[1]
    above = both.joules - held.watts * both.seconds
    return {"share": x / (x + y), "closure": (above - x - y) / above, "busy": both.busy_seconds}


def by_work(idle: Stretch, one: Stretch, others: list[Stretch], both: Stretch) -> dict[str, Any]:
    """Of the first: Shapley's value over the work done, of the energy above idle."""
    first, second = both.passes_per_second
    alone = [
        (one.watts - idle.watts) / one.passes_per_second[0] * first,
        fmean((o.watts - idle.watts) / o.passes_per_second[0] for o in others) * second,
    ]
    whole = both.watts - idle.watts
    slower = [
        one.passes_per_second[0] / first if first else None,
        fmean(o.passes_per_second[0] for o in others) / second if second else None,
    ]
    return {
        "share_by_work": (alone[0] + whole - alone[1]) / 2 / whole,
        "synergy": (whole - sum(alone)) / whole,
        "passes_share": first / (first + second),
        "slower": slower,
    }


def words(values: Any) -> str:
    if isinstance(values, dict):
        return ", ".join(f"{name} {words(value)}" for name, value in values.items())
    if isinstance(values, list | tuple):
        return " and ".join(words(value) for value in values)
    return f"{values:.4g}" if isinstance(values, float) else str(values)


def verdicts(found: dict[str, Any]) -> dict[str, bool | None]:
    """None: it was not told."""
    twins, duty, sleeper = (found.get(name, {}) for name in ("twins", "duty", "sleeper"))
    kept: dict[str, bool | None] = dict.fromkeys(VERDICTS)
    half, did, ratio, idle = VERDICTS
    if "share" in twins:
        kept[half] = abs(twins["share"] - 0.5) <= TWINS_WITHIN
        kept[did] = abs(twins["share"] - twins["passes_share"]) <= TWINS_WITHIN
    if "share" in duty:
        shares, passes = (one / (1 - one) for one in (duty["share"], duty["passes_share"]))
        kept[ratio] = abs(shares / passes - 1) <= DUTY_WITHIN
    if sleeper:
        kept[idle] = sleeper["busy"] <= SLEEPER_BUSY
    return kept
