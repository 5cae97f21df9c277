"""The baselines of a run's result: its idle machine, and its load alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

from energyctl.background.group import BackgroundGroup
from energyctl.campaign.baselines import (
    ALONE,
    LEAST_PRESENCE,
    Blocks,
    idle_after,
    idle_blocks,
    load_blocks,
)
from energyctl.campaign.run_state import RunState, SharedIdle
from energyctl.energy import (
    Baseline,
    Energy,
    EnergyAboveBaseline,
    Recording,
    baseline_of,
    doubtful,
)
from energyctl.results import schema
from energyctl.results.phases import phase_words
from energyctl.text import percent

WIDE_DRIFT = 0.02

IDLE_VARIED = "the idle machine's power varied; a longer baseline helps (idle_seconds)"
IDLE_BEFORE_ONLY = (
    "the idle machine was measured only before the training, and its power may have drifted; "
    "a cool-down of at least idle_seconds measures it afterwards, too (cooldown_seconds)"
)
LOAD_VARIED = (
    "the load's power varied from iteration to iteration, or the training did not last for whole "
    "iterations; a longer training helps, or more iterations before it (settle.seconds)"
)
LOAD_BEFORE_ONLY = (
    "the load alone was measured only before the training, and its power may have drifted"
)


@dataclass(frozen=True)
class AroundForeground:
    """A baseline, and where it was taken."""

    blocks: Blocks
    baseline: Baseline
    energy: Energy
    """Of the foreground."""

    @property
    def drift(self) -> float | None:
        return self.baseline.drift([one.domain for one in self.energy.domains])

    def _moved(self, figure: str) -> str | None:
        """A line where the power after the foreground was another than before it."""
        drift = self.drift
        if drift is None or abs(drift) <= WIDE_DRIFT:
            return None
        changed = "higher" if drift > 0 else "lower"
        return (
            f"the baseline of {figure} was {percent(abs(drift))} {changed} after the training than "
            "before it: the mean of both is used, and the difference counts as uncertainty"
        )

    def _single(self, figure: str) -> str | None:
        """A line where the load alone was seen for a single iteration before the training."""
        single = self.blocks.single
        return f"the baseline of {figure} before the training is {single}" if single else None

    def warnings(self, figure: str, added: EnergyAboveBaseline) -> list[str]:
        """What makes the figure less certain than it might be."""
        of_idle, after = self.blocks.unit == "seconds", bool(self.blocks.after)
        if of_idle:
            why = IDLE_VARIED if after else IDLE_BEFORE_ONLY
        else:
            why = LOAD_VARIED if after else LOAD_BEFORE_ONLY
        lines = [
            self._single(figure),
            self._moved(figure),
            doubtful(figure, added, self.energy.total_joules, why),
        ]
        return [line for line in lines if line is not None]

    def to_json(self) -> schema.BaselineJson | None:
        blocks, energy = self.blocks, self.energy
        if self.baseline.missing is not None:
            return None
        domains = [one.domain for one in energy.domains]
        return {
            "of": blocks.unit,
            "cycle_seconds": blocks.cycle_seconds,
            "cycle_deviation_seconds": blocks.cycle_deviation_seconds,
            "before": len(blocks.before),
            "before_seconds": blocks.before_seconds,
            "after": len(blocks.after),
            "after_seconds": blocks.after_seconds,
            "watts": self.baseline.watts(domains, energy.start, energy.end),
            "drift": self.drift,
        }


def idle_machine(live: RunState, recording: Recording, energy: Energy) -> AroundForeground:
    """The machine before anything of the run was started, and once it has cooled down."""
    seconds = live.context.settings.idle_seconds
    shared = idle_of_another(live)
    if shared is not None and shared.baseline is not None:
        after = idle_after(recording.phases, energy.end, seconds)
        blocks = Blocks("seconds", shared.blocks, after)
        baseline = shared.baseline.with_after(recording, after)
    else:
        blocks = idle_blocks(recording.phases, energy.start, energy.end, seconds)
        baseline = _baseline(recording, blocks)
    return AroundForeground(blocks, baseline, energy)


def load_alone(
    live: RunState, recording: Recording, energy: Energy, group: BackgroundGroup | None
) -> AroundForeground:
    """The background's load, before the foreground and after it."""
    settle = live.load_alone
    if live.run.mode != "parallel" or group is None:
        blocks = Blocks("iterations", missing="there is no background in this mode")
    else:
        blocks = load_blocks(
            recording.phases,
            group.cycles_in_units(settle.longest_iteration_seconds),
            energy.start,
            energy.end,
            settle,
            live.loaded_since or 0.0,
        )
        if blocks.missing is not None:
            away = _away(recording, energy, group)
            blocks = replace(blocks, missing=away or blocks.missing)
    baseline = _baseline(recording, blocks)
    if blocks.single and not blocks.after and baseline.missing is None:
        baseline = Baseline(missing=f"its baseline is {blocks.single}")
    return AroundForeground(blocks, baseline, energy)


def _baseline(recording: Recording, blocks: Blocks) -> Baseline:
    if blocks.missing is not None:
        return Baseline(missing=blocks.missing)
    return baseline_of(recording, blocks.before, blocks.after)


def _away(recording: Recording, energy: Energy, group: BackgroundGroup) -> str | None:
    """A job that was not there while the load was to be alone, if there is one."""
    phases = [p for p in recording.phases if p.name == ALONE[-1] and p.end <= energy.start]
    spans = [(phase.start, phase.end) for phase in phases]
    for job, share in group.coverage(spans).items() if spans else ():
        if share < LEAST_PRESENCE:
            phase = phase_words(ALONE[-1])
            return f"background {job} ran for only {percent(share)} of the phase {phase!r}"
    return None


def share_idle(live: RunState, recording: Recording) -> None:
    """Keeps this run's idle baseline for those that follow it, where they have none of theirs."""
    shared = live.context.shared_idle
    if shared is None or shared.baseline is not None or not recording.phases:
        return
    end = recording.phases[-1].end
    blocks = idle_blocks(recording.phases, end, end, 0.0)
    baseline = _baseline(recording, blocks)
    if baseline.missing is None and not baseline.unknown:
        shared.baseline, shared.blocks = baseline, blocks.before
        shared.experiment_id = live.files.experiment_id


def idle_of_another(live: RunState) -> SharedIdle | None:
    """The idle baseline, where it is that of an earlier run."""
    shared = live.context.shared_idle
    own = shared is None or shared.experiment_id in (None, live.files.experiment_id)
    return None if own else shared
