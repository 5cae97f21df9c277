"""What the foreground tells of itself during an attempt: epochs, marks, runs in other tools."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import cast

from energyctl.campaign.training.foreground import Attempt
from energyctl.config.registry import Invocation, Metric
from energyctl.energy import Recording
from energyctl.meters.marks.energies import told_energies
from energyctl.meters.marks.lines import Tracked, tracked_run
from energyctl.meters.marks.listening import listening as _listening
from energyctl.meters.marks.timeline import Timeline
from energyctl.results.schema import ToldJson


def listening(
    attempt: Attempt,
    metrics: Sequence[Metric],
    folder: Path,
    now: Callable[[], float] = time.time,
    reading: Callable[[], None] = lambda: None,
) -> AbstractContextManager[dict[str, str]]:
    """Fills the attempt's timeline, and its warnings, for as long as the block runs; what the
    training's environment needs for it.

    *now* and *reading*: as of the sampler that meters it.
    """
    attempt.timeline = Timeline(metrics)
    return _listening(attempt.timeline, nullcontext(folder), now, reading, attempt.warnings)


def tracked_by_environment(
    invoked: Sequence[Invocation], environment: Mapping[str, str]
) -> Iterator[Tracked]:
    """The runs of other tools that the variables of those tools name."""
    for one in invoked:
        env = {**environment, **one.env}
        project = "/".join(filter(None, (env.get("WANDB_ENTITY"), env.get("WANDB_PROJECT"))))
        if run := env.get("MLFLOW_RUN_ID"):
            uri, of = env.get("MLFLOW_TRACKING_URI"), env.get("MLFLOW_EXPERIMENT_ID")
            yield tracked_run("mlflow", run, uri, of)
        if run := env.get("WANDB_RUN_ID"):
            yield tracked_run("wandb", run, env.get("WANDB_BASE_URL"), project or None)


def told_json(attempt: Attempt | None, recording: Recording) -> ToldJson:
    """What an attempt told, with the energies of its epochs and marks."""
    told: ToldJson = {}
    if attempt is None:
        return told
    timeline = attempt.timeline
    if attempt.start is not None and attempt.end is not None:
        told = cast("ToldJson", told_energies(timeline, recording, attempt.start, attempt.end))
    if timeline.tracked:
        told["tracking"] = [
            {"to": one.to, "run_id": one.run_id, "uri": one.uri, "project": one.project}
            for one in timeline.tracked
        ]
    return told
