"""Under which condition a run was measured: what stood beside the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from energyctl.config.plan.conditions import derived_label


def condition_of(result: Mapping[str, Any]) -> str:
    """The label of its condition; of an older result, which has none, the derived one."""
    label = result.get("condition")
    if label:
        return str(label)
    background = result.get("background_info")
    if background is None:
        return derived_label([(None, None)] if result.get("mode") == "parallel" else [])
    jobs = background.get("jobs") or [background]
    return derived_label((job.get("repo"), job.get("model")) for job in jobs)


def run_words(
    title: str, condition: str, block: int | None, warm_up: bool = False, trial: str = ""
) -> str:
    """``REPO / MODEL, CONDITION, block 3``: a run among those that it is compared with.

    trial: of a search, in words, which stand for its block.
    """
    place = "warm-up" if warm_up else trial or ("" if block is None else f"block {block}")
    return ", ".join(part for part in (title, condition, place) if part)


def is_warm_up(result: Mapping[str, Any]) -> bool:
    """Whether it is a warm-up run, which no comparison, mean or figure of runs has."""
    return bool(result.get("warm_up"))
