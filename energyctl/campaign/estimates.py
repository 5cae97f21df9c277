"""How long runs will take: by finished ones of their kind, else by the registry."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise, tee
from typing import Any

from energyctl.campaign.baselines import cycles_wanted
from energyctl.campaign.fixed_plan import (
    IDLE_SECONDS,
    QUICK_START_SECONDS,
    control_run,
    controls_due,
)
from energyctl.campaign.machine_control import SETTLE_SECONDS
from energyctl.config.plan import Run, Training
from energyctl.config.registry import Registry
from energyctl.config.settings import Settings, machine_settings
from energyctl.results.conditions import is_warm_up
from energyctl.results.folder import ResultsFolder
from energyctl.results.schema import Result

Length = Callable[[str, str, Mapping[str, Any]], float | None]
"""How long a training is, by its repository, model and values, in a unit of its own; None where
that is not known."""


def typical_seconds(
    results: Iterator[Result], length: Length = lambda repo, model, values: 1.0
) -> dict[tuple[str, str, bool], float]:
    """Mean duration of the finished successful runs, for each unit of their length, by (repo,
    model, parallel).

    Imported ones do not count, which may be of another machine, nor do warm-up runs.
    """
    durations: dict[tuple[str, str, bool], list[tuple[float, float]]] = {}
    for result in results:
        training = result.get("foreground_result")
        ours = result.get("imported") is None and not is_warm_up(result)
        seconds = training.get("duration") if training else None
        if ours and result.get("status") == "succeeded" and training and seconds:
            parallel = result.get("mode") == "parallel"
            repo, model = str(training.get("repo")), str(training.get("model"))
            if units := length(repo, model, training.get("hyperparameters") or {}):
                times = durations.setdefault((repo, model, parallel), [])
                times.append((float(seconds), units))
    return {key: sum(s for s, _ in n) / sum(u for _, u in n) for key, n in durations.items()}


def around_seconds(results: Iterator[Result]) -> dict[frozenset[str], float]:
    """Mean time that finished successful runs took beside their training, by the repositories and
    models of their background ("repo/model"): all phases but the cool-down."""
    times: dict[frozenset[str], list[float]] = {}
    for result in results:
        training, background = result.get("foreground_result"), result.get("background_info")
        phases = [one for one in result.get("phases") or () if one.get("name") != "cooldown"]
        seconds, ours = training.get("duration") if training else None, not result.get("imported")
        if ours and phases and result.get("status") == "succeeded" and seconds:
            jobs = (background.get("jobs") if background else None) or ()
            beside = frozenset(f"{job.get('repo')}/{job.get('model')}" for job in jobs)
            began, ended = phases[0].get("start"), phases[-1].get("end")
            if began is None or ended is None:
                continue
            whole = float(ended) - float(began)
            times.setdefault(beside, []).append(max(0.0, whole - float(seconds)))
    return {beside: sum(values) / len(values) for beside, values in times.items()}


def estimate_seconds(
    runs: Sequence[Run], settings: Settings, registry: Registry, folder: ResultsFolder
) -> list[float | None]:
    """Seconds that each run will take, with the control before it, and the settling after changes
    of what is set of the machine: from finished runs of its kind, else the registry."""
    if settings.use_deduplication:  # the look for earlier runs has named what is no result
        folder = replace(folder, problem=lambda line: None)
    for_trainings, for_phases = tee(folder.all())
    typical = typical_seconds(for_trainings, partial(_length, registry))
    estimates = _Estimates(settings, registry, typical)
    around = around_seconds(for_phases)
    due, control = controls_due(runs, settings.control), estimates.control_seconds()
    settling = _settling_seconds(runs, machine_settings(settings), due)
    return [
        None if seconds is None else seconds + settled + control * (run.index in due)
        for run, settled in zip(runs, settling, strict=True)
        for seconds in [estimates.of(run, around)]
    ]


def _settling_seconds(
    runs: Sequence[Run], of_controls: Mapping[str, Any], due: Collection[int]
) -> Iterator[float]:
    """Before each run, and the control before it, for which the machine is set to *of_controls*; at
    the start it is set as the first run wants it."""
    now: Mapping[str, Any] = {}
    for run in runs:
        start = [run.machine] if run is runs[0] else []
        control = [of_controls] if run.index in due else []
        steps = [now, *start, *control, run.machine]
        yield SETTLE_SECONDS * sum(before != after for before, after in pairwise(steps))
        now = run.machine


def _length(registry: Registry, repo: str, model: str, values: Mapping[str, Any]) -> float | None:
    repository = registry.repositories.get(repo)
    return 1.0 if repository is None else repository.length_of(model, values)


@dataclass(frozen=True)
class _Estimates:
    settings: Settings
    registry: Registry
    typical: Mapping[tuple[str, str, bool], float]

    def of(self, run: Run, around: Mapping[frozenset[str], float]) -> float | None:
        seconds = self.training_seconds(run.foreground, parallel=run.mode == "parallel")
        if seconds is None:
            return None
        beside = frozenset(f"{job.training.repo}/{job.training.model}" for job in run.background)
        return seconds + around.get(beside, self.baselines_seconds(run))

    def training_seconds(self, training: Training, *, parallel: bool) -> float | None:
        """By finished runs of its kind, else by the registry, which tells that of the defaults."""
        repository = self.registry.repositories[training.repo]
        length = repository.length_of(training.model, training.hyperparameters)
        known = self.typical.get((training.repo, training.model, parallel))
        if known is not None and length is not None:
            return known * length
        usual = repository.typical_seconds.get(training.model)
        defaults = repository.defaults_of(training.model)
        of_defaults = repository.length_of(training.model, defaults)
        if usual is None or length is None or of_defaults is None:
            return usual
        return usual * length / of_defaults

    def control_seconds(self) -> float:
        """The control before a run, with its cool-down; nothing where that is not known."""
        if self.settings.control is None:
            return 0.0
        seconds: float | None = QUICK_START_SECONDS
        if run := control_run(self.settings.control, self.registry):
            seconds = self.training_seconds(run.foreground, parallel=False)
        return IDLE_SECONDS + (seconds or 0.0) + self.settings.cooldown_seconds

    def baselines_seconds(self, run: Run) -> float:
        """Idle; the load alone until it is steady, and as long once more after the training."""
        settle, rest = self.settings.settle, self.settings.idle_seconds
        if not run.background:
            return rest
        if run.references is not None:
            rest += run.references.context_held_seconds
            settle = settle.lasting(run.references.background_alone_seconds)
        known = [self.training_seconds(job.training, parallel=False) for job in run.background]
        cycle = max((seconds for seconds in known if seconds), default=0.0)
        wanted = cycles_wanted(cycle, settle) if cycle else 0
        alone = min((wanted + 1) * cycle, settle.timeout_seconds) if wanted else settle.seconds
        return rest + 2 * alone
