"""How much two trainings hinder each other, and what doing both together costs or saves: figures
of a pair. docs/interference.md has the formulas. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from energyctl.results.pairs.energy import (
    background_alone,
    energy_of,
    energy_ratio,
    idle_part,
    marginal_joules,
    saving,
    unlike_meters,
)
from energyctl.results.pairs.facts import RunFacts
from energyctl.results.pairs.figure import Figure, sound
from energyctl.results.pairs.work import (
    JobInterference,
    added,
    alone_seconds,
    job_interference,
    slowdown_of_all,
)

DURATION_SECONDS = 0.01
"""A duration is known to this; the end of a training is seen within a few milliseconds."""


@dataclass(frozen=True)
class Interference:
    """Of one pair; see docs/interference.md. Energies in joules."""

    slowdown: Figure
    background_slowdown: Figure
    background_work: Figure
    background_work_lost: Figure
    energy_alone_joules: Figure
    energy_beside_joules: Figure
    energy_ratio: Figure
    marginal_joules: Figure
    background_alone_seconds: Figure
    background_alone_joules: Figure
    one_after_the_other_joules: Figure
    saving_joules: Figure
    saving_idle_joules: Figure
    jobs: tuple[JobInterference, ...]


def interference(beside: RunFacts, alone: RunFacts) -> Interference:
    """The figures of a pair."""
    jobs = tuple(_sound_job(job_interference(one)) for one in beside.jobs)
    seconds = alone_seconds(jobs)
    energies = energy_of(beside), energy_of(alone)
    unlike = unlike_meters(beside, alone)
    load = background_alone(beside, seconds)
    apart, saved = saving(beside, alone, load, unlike)
    return Interference(
        slowdown=sound(_slowdown(beside, alone), ratio=True),
        background_slowdown=sound(slowdown_of_all(jobs, seconds, beside), ratio=True),
        background_work=sound(added(jobs, lambda one: one.work)),
        background_work_lost=sound(added(jobs, lambda one: one.lost)),
        energy_alone_joules=sound(energies[1]),
        energy_beside_joules=sound(energies[0]),
        energy_ratio=sound(energy_ratio(beside, alone, unlike), ratio=True),
        marginal_joules=sound(marginal_joules(beside)),
        background_alone_seconds=sound(seconds),
        background_alone_joules=sound(load.figure),
        one_after_the_other_joules=sound(apart),
        saving_joules=sound(saved),
        saving_idle_joules=sound(idle_part(beside, alone, seconds)),
        jobs=jobs,
    )


def _sound_job(job: JobInterference) -> JobInterference:
    return replace(
        job,
        slowdown=sound(job.slowdown, ratio=True),
        work=sound(job.work),
        lost=sound(job.lost),
        alone_seconds=sound(job.alone_seconds),
    )


def _slowdown(beside: RunFacts, alone: RunFacts) -> Figure:
    if not beside.seconds or not alone.seconds:
        return Figure(missing="a duration is not known")
    ratio = beside.seconds / alone.seconds
    return Figure(ratio, ratio * DURATION_SECONDS * (1 / beside.seconds + 1 / alone.seconds))
