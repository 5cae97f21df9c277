"""Runs on a simulated GPU as result documents of energyctl: read by its own meter, with its own
baselines and its own counts of work; and what is true of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import floor
from random import Random
from typing import Any

from benchmarks.shared_gpu import Slice
from benchmarks.shared_runs import Line
from energyctl.campaign.activity.gpu_lines import busy_uncertainty
from energyctl.campaign.added_energy import AroundForeground
from energyctl.campaign.baselines import Blocks, idle_blocks, load_blocks
from energyctl.energy import Baseline, Block, Phase, Recording, above, baseline_of, joined
from energyctl.results.job_work import job_work
from hardware.simulated import EPOCH, Load
from written_results import pair_result

NAME, JOB = "gpu-0", "back_large"
FULL_MHZ = 1980.0
IDLE_SECONDS = 10.0


@dataclass(frozen=True)
class Truth:
    """Joules during the training, of both sides' kernels, of leakage above the cold idle, and of
    the open contexts; the foreground's half of these or all of it."""

    foreground: float
    background: float
    leakage: float
    context: float
    foreground_context: float

    def kernels(self, side: float) -> float:
        """With the leakage in proportion."""
        both = self.foreground + self.background
        return side * (1 + self.leakage / both) if both else 0.0


class Course:
    """Each figure of the slices over time."""

    def __init__(self, slices: Sequence[Slice]) -> None:
        seconds = [one.seconds for one in slices]
        columns = zip(*slices, strict=True)
        self.of = {
            name: Load(list(zip(seconds, column, strict=True)))
            for name, column in zip(Slice._fields, columns, strict=True)
        }

    def sum(self, name: str, start: float, end: float) -> float:
        of = self.of[name]
        return of.joules(end - EPOCH) - of.joules(start - EPOCH)

    def truth(self, start: float, end: float) -> Truth:
        context = self.sum("context", start, end)
        any_context = sum(
            sign * self.sum(name, start, end)
            for sign, name in ((1, "foreground_context"), (1, "background_context"), (-1, "both"))
        )
        own = self.sum("foreground_context", start, end) - self.sum("both", start, end) / 2
        return Truth(
            self.sum("foreground_watts", start, end),
            self.sum("background_watts", start, end),
            self.sum("leakage", start, end),
            context,
            context * own / any_context if any_context else 0.0,
        )


def busy_seconds(percents: Sequence[int], window: float) -> float:
    return sum(percents) / 100 * window


class Samples:
    """What a driver tells of utilisation: whole percents of each window."""

    SIDES = ("foreground", "background", "other", "device")

    def __init__(self, line: Line, course: Course, random: Random) -> None:
        case = line.case
        self.window, self.course = case.window, course
        self.first = random.uniform(0, case.window)
        whole = floor if case.cut else round
        edges = [self.first + i * case.window for i in range(int(line.gpu.now / case.window))]
        self.percents = {}
        for side in self.SIDES:
            sums = [course.of[side].joules(edge) for edge in edges]
            self.percents[side] = [
                whole(100 * (after - before) / case.window + 1e-9)
                for before, after in pairwise(sums)
            ]

    def between(self, start: float, end: float) -> range:
        """The windows that ended in that time (Unix seconds)."""
        edges = (floor((time - EPOCH - self.first) / self.window) for time in (start, end))
        return range(*edges)

    def span(self, stretches: Sequence[Block], lost: Callable[[], bool]) -> dict[str, Any]:
        """Figures of a domain in stretches of time."""
        windows = [index for start, end in stretches for index in self.between(start, end)]
        kept = [index for index in windows if not lost()]
        seconds = sum(end - start for start, end in stretches)
        busy = {
            side: busy_seconds([self.percents[side][index] for index in kept], self.window)
            for side in self.SIDES
        }
        every = [self.percents["device"][index] for index in windows]
        looks = [self.first + (index + 1) * self.window for index in windows]
        seen = {
            name: sum(self.course.of[name].watts(look) for look in looks) / len(looks)
            for name in ("foreground_context", "background_context", "both", "clock")
        }
        sides = {
            side: {
                "busy_seconds": busy[side],
                "context_seconds": seen[f"{side}_context"] * seconds,
            }
            for side in ("foreground", "background")
        }
        return {
            **sides,
            "jobs": {JOB: busy["background"]},
            "both_seconds": seen["both"] * seconds,
            "other_seconds": busy["other"],
            "device_seconds": busy_seconds(every, self.window),
            "busy_uncertainty_seconds": busy_uncertainty(seconds, len(stretches), self.window),
            "unknown_seconds": (len(windows) - len(kept)) * self.window,
            "mhz": seen["clock"] * FULL_MHZ,
        }


# -- documents -------------------------------------------------------------------------------------


class Result:
    """The document of one run."""

    def __init__(self, line: Line, random: Random, started: float) -> None:
        self.line, self.random = line, random
        self.course = Course(line.gpu.slices)
        self.samples = Samples(line, self.course, random)
        edges = [phase.start - EPOCH for phase in line.phases] + [line.phases[-1].end - EPOCH]
        one = line.case.meter.recording(self.course.of["watts"], edges, random)
        self.recording: Recording = replace(one, phases=tuple(line.phases))
        self.training = next(one for one in line.phases if one.name == "foreground")
        self.energy = self.recording.energy(self.training.start, self.training.end)
        self.started = started

    @property
    def truth(self) -> Truth:
        return self.course.truth(self.training.start, self.training.end)

    def document(self) -> dict[str, Any]:
        beside = self.line.background is not None
        seconds, joules = self.energy.seconds, self.energy.total_joules
        condition = "loaded" if beside else "alone"
        of_load = 0.0 if beside else None
        found = pair_result(
            "shares", 1, condition, self.started, seconds, joules or 0.0, 0.0, of_load
        )
        found["foreground_result"]["attempts"][0] |= {
            "start": self.training.start, "end": self.training.end,
        }  # fmt: skip
        load = self._load_blocks()
        around = AroundForeground(load, _baseline(self.recording, load), self.energy)
        found["energy"] = self._energy(around)
        found["phases"] = [self._phase(one) for one in self.line.phases]
        found["activity"] = self._activity(load)
        if beside:
            found["background_info"] = self._background()
        if beside and self.line.case.other is not None:
            processes = [{"gpu": 0, "pid": 4711, "command": "render", "attributed": True}]
            found["foreign"] = {"foreground": {"gpu_processes": processes}}
        return found

    def _load_blocks(self) -> Blocks:
        """Whole iterations before and after the training."""
        line, training = self.line, self.training
        if line.background is None:
            return Blocks("iterations", missing="there is no background in this mode")
        cycles = {JOB: (line.background.cycles, "iteration")}
        return load_blocks(line.phases, cycles, training.start, training.end, line.case.settle)

    def _energy(self, load: AroundForeground) -> dict[str, Any]:
        phases, training = self.line.phases, self.training
        idle = idle_blocks(phases, training.start, training.end, IDLE_SECONDS)
        added = {
            "above_idle": above(self.energy, _baseline(self.recording, idle)),
            "marginal": above(self.energy, load.baseline),
        }
        figures = dict(self.energy.to_json())
        for name, (total, domains) in added.items():
            for place, one in ((figures, total), (figures["domains"][0], domains[NAME])):
                place[f"{name}_joules"] = one.joules
                place[f"{name}_uncertainty_joules"] = one.uncertainty_joules
        baselines = {"idle": None, "background_only": load.to_json()}
        return {**figures, "baselines": baselines, "missing": {}}

    def _phase(self, phase: Phase) -> dict[str, Any]:
        one = self.recording.energy(phase.start, phase.end).domains[0]
        held = {"power_cap": 0.0, "heat": 0.0}
        held["heat" if self.line.case.hot == phase.name else "power_cap"] = self.course.sum(
            "limited", phase.start, phase.end
        )
        return {
            "name": phase.name, "start": phase.start, "end": phase.end, "watts": {},
            "joules": {NAME: one.joules}, "uncertainty_joules": {NAME: one.uncertainty_joules},
            "state": {"gpus": {NAME: {"limited_seconds": held}}},
        }  # fmt: skip

    def _activity(self, load: Blocks) -> list[dict[str, Any]]:
        beside, case = self.line.background is not None, self.line.case
        training = [(self.training.start, self.training.end)]
        spans = {"foreground": training}
        spans |= {
            name: joined(blocks, float("inf"))
            for name, blocks in (("load_before", load.before), ("load_after", load.after))
            if blocks
        }
        found = []
        for name, stretches in spans.items():
            lost = case.lost if beside and name == "foreground" else 0.0
            figures = self.samples.span(stretches, lambda lost=lost: self.random.random() < lost)
            if name != "foreground":
                figures["foreground"] = None
            if not beside:
                figures |= {"background": None, "jobs": {}}
            energies = [self.recording.energy(*stretch) for stretch in stretches]
            seconds = sum(energy.seconds for energy in energies)
            watts, off = (
                sum(getattr(energy, figure) or 0.0 for energy in energies) / seconds
                for figure in ("total_joules", "uncertainty_joules")
            )
            power = {"watts": watts, "uncertainty_watts": off, "source": case.source}
            found.append(
                {"span": name, "seconds": seconds, "domains": {NAME: {**power, **figures}}}
            )
        return found

    def _background(self) -> dict[str, Any]:
        background = self.line.background
        assert background is not None
        unit = None
        work = job_work(background.iterations, background.counts, self.line.phases, unit)
        job = {"job": JOB, "repo": "back", "model": "large", "hyperparameters": {}, "work": work}
        return {"repo": "back", "model": "large", "hyperparameters": {}, "jobs": [job]}


def _baseline(recording: Recording, blocks: Blocks) -> Baseline:
    if blocks.missing is not None:
        return Baseline(missing=blocks.missing)
    return baseline_of(recording, blocks.before, blocks.after)
