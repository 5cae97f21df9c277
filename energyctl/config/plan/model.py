"""What a plan consists of, and its form as JSON (for `plan --json` and the journal)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from energyctl.config.jsonfile.validation import Problem
from energyctl.config.places import ANYWHERE, Place
from energyctl.config.plan.conditions import derived_label
from energyctl.config.settings import ALONE, Mode, References
from energyctl.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Training:
    """A model and every value that it is trained with, in the order of the registry."""

    repo: str
    model: str
    hyperparameters: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {
            "repo": self.repo,
            "model": self.model,
            "hyperparameters": dict(self.hyperparameters),
        }


@dataclass(frozen=True)
class BackgroundJob:
    """A training that is repeated as load, in `copies` side by side.

    places: of each copy; empty where they have none.
    """

    training: Training
    copies: int = 1
    stagger_seconds: float = 0.0
    restart_delay_seconds: float = 0.0
    places: tuple[Place, ...] = ()

    def to_json(self) -> dict[str, Any]:
        fields = asdict(replace(self, places=()))
        del fields["places"]
        data = {**fields.pop("training"), **fields}
        if self.places:
            every = [place.to_json() for place in self.places]
            data["place"] = every[0] if len(set(self.places)) == 1 else every
        return data

    def place(self, copy: int) -> Place:
        """That of a copy, counted from 0."""
        return self.places[copy] if self.places else ANYWHERE


@dataclass(frozen=True, slots=True)
class EarlierAlone:
    """A run alone of an earlier campaign. started: its training, Unix seconds."""

    experiment_id: str
    started: float


@dataclass(frozen=True, slots=True)
class Run:
    """One training to measure. `index`, `repetition` and `block` count from 1, `experiment` from 0.

    Runs of a block have the same values and the same training seed; of `block`, None: there are
    none. `training_seed` is the value that the repository's `seed_parameter` has, if it names one.
    A `warm_up` run is like the first one of the plan and left out of every comparison.
    """

    index: int
    experiment: int
    repetition: int
    mode: Mode
    foreground: Training
    mutated: tuple[str, ...] = ()
    background: tuple[BackgroundJob, ...] = ()
    timeout_seconds: float | None = None
    description: str | None = None
    place: Place = ANYWHERE
    """Of the foreground."""
    reach: Mapping[str, float] = field(default_factory=dict)
    """By metric: up to which value its time and energy are told; others as the registry says."""
    condition: str = ""
    """Label of what stands beside the training; without one, the derived label."""
    block: int | None = None
    trial: int | None = None
    """Of a search, from 1."""
    training_seed: int | None = None
    warm_up: bool = False
    grid: tuple[str, ...] = ()
    """What is set by levels of a grid: hyper-parameters, and settings of the machine."""
    machine: Mapping[str, Any] = field(default_factory=dict)
    """What of the machine is set for it, by name: see `settings.machine.MACHINE_SETTINGS`."""
    references: References | None = None
    """Of a run beside a background: the phases that it is compared with."""
    alone_of: EarlierAlone | None = None
    """What stands for the run alone of its block, which is not done again."""

    def __post_init__(self) -> None:
        if not self.condition:
            object.__setattr__(self, "condition", self.derived_condition)

    @property
    def derived_condition(self) -> str:
        """By its background: the label where the settings give none."""
        if not self.background:
            return ALONE
        copies = (job.training for job in self.background for _ in range(job.copies))
        return derived_label((training.repo, training.model) for training in copies)

    @property
    def places(self) -> tuple[Place, ...]:
        """Of the foreground and of each background job."""
        jobs = (job.place(copy) for job in self.background for copy in range(job.copies))
        return (self.place, *jobs)

    def to_json(self) -> dict[str, Any]:
        """As the contract shows it, and more; from_json gives the same run again."""
        place = None if self.place is ANYWHERE else self.place.to_json()
        return {
            "index": self.index,
            "experiment": self.experiment,
            "repetition": self.repetition,
            "mode": self.mode,
            "condition": self.condition,
            "block": self.block,
            **({} if self.trial is None else {"trial": self.trial}),
            "training_seed": self.training_seed,
            "warm_up": self.warm_up,
            **self.foreground.to_json(),
            **({"place": place} if place else {}),
            **({"reach": dict(self.reach)} if self.reach else {}),
            **({"references": self.references.model_dump()} if self.references else {}),
            **({"alone_of": asdict(self.alone_of)} if self.alone_of else {}),
            "mutated": list(self.mutated),
            **({"grid": list(self.grid)} if self.grid else {}),
            **({"machine": dict(self.machine)} if self.machine else {}),
            "background": [job.to_json() for job in self.background],
            "timeout_seconds": self.timeout_seconds,
            "description": self.description,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Run:
        """The run of such data. Raises SettingsError where a key is missing."""
        try:
            return cls(
                index=data["index"],
                experiment=data["experiment"],
                repetition=data["repetition"],
                mode=data["mode"],
                foreground=_training(data),
                mutated=tuple(data["mutated"]),
                background=tuple(
                    BackgroundJob(
                        _training(job),
                        job["copies"],
                        job["stagger_seconds"],
                        job["restart_delay_seconds"],
                        _places(job),
                    )
                    for job in data["background"]
                ),
                timeout_seconds=data["timeout_seconds"],
                description=data["description"],
                place=Place.model_validate(data.get("place", {})),
                reach=dict(data.get("reach", {})),
                condition=data.get("condition") or "",
                block=data.get("block"),
                trial=data.get("trial"),
                training_seed=data.get("training_seed"),
                warm_up=bool(data.get("warm_up")),
                grid=tuple(data.get("grid", ())),
                machine=dict(data.get("machine", {})),
                references=References(**given) if (given := data.get("references")) else None,
                alone_of=EarlierAlone(**alone) if (alone := data.get("alone_of")) else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SettingsError(f"this is no planned run: {error}") from None


def _places(job: Mapping[str, Any]) -> tuple[Place, ...]:
    place = job.get("place")
    every = place if isinstance(place, list) else [place] * job["copies"] if place else []
    return tuple(Place.model_validate(one) for one in every)


def _training(data: Mapping[str, Any]) -> Training:
    return Training(data["repo"], data["model"], dict(data["hyperparameters"]))


@dataclass(frozen=True)
class SkippedValues:
    """Values that were not drawn again, since an earlier run of the same kind had them together.

    `run` is the index of the run that they were drawn for; None where none is left to draw them
    for. `source` is the result or the row of a table that has them.
    """

    run: int | None
    experiment: int
    mode: Mode
    training: Training
    source: str

    def to_json(self) -> dict[str, Any]:
        """`hyperparameters` are those that are mutated."""
        return {
            "run": self.run,
            "experiment": self.experiment,
            "mode": self.mode,
            **self.training.to_json(),
            "source": self.source,
        }


@dataclass(frozen=True)
class Plan:
    """All runs of a file in their order, and what is wrong with the rest of it."""

    runs: tuple[Run, ...]
    problems: tuple[Problem, ...]
    separators: int
    seed: int
    passed_over: tuple[SkippedValues, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Problems that are no mere warnings."""
        return tuple(problem for problem in self.problems if problem.severity != "warning")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "warning")

    @property
    def invalid_experiments(self) -> frozenset[int]:
        """Numbers, from 0, of the experiments that are left out."""
        return frozenset(
            problem.experiment
            for problem in self.problems
            if problem.severity == "invalid" and problem.experiment is not None
        )

    def to_json(self) -> dict[str, Any]:
        """What `plan --json` shows; `problems` are those that leave something out."""
        return {
            "runs": [run.to_json() for run in self.runs],
            "problems": [problem.to_json() for problem in self.errors],
            "warnings": [problem.to_json() for problem in self.warnings],
            "separators": self.separators,
            "invalid_experiments": sorted(self.invalid_experiments),
            "seed": self.seed,
            "passed_over": [values.to_json() for values in self.passed_over],
        }
