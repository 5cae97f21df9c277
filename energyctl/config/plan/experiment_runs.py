"""The runs of one experiment: grid × repetitions × conditions, in blocks, in their order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from energyctl.config.plan.experiment_check import CheckedExperiment
from energyctl.config.plan.model import Run, Training
from energyctl.config.plan.orders import block_orders, permutation
from energyctl.config.plan.repetitions import Repetitions
from energyctl.config.settings.problems import ProblemList


class Slot(NamedTuple):
    """A run by its place in the design. `block`, from 1 within the experiment; None: no blocks."""

    block: int | None
    repetition: int
    cell: int
    condition: int


@dataclass(frozen=True)
class Design:
    """How often what is run; `conditions` is 1 where there are none, and so is `cells`."""

    repetitions: int
    cells: int
    conditions: int
    blocks: bool


def runs_of(
    checked: CheckedExperiment,
    repetitions: Repetitions,
    seed: int,
    first_index: int,
    first_block: int,
    report: ProblemList,
) -> list[Run]:
    """All runs; none where values of one break a constraint, which is reported."""
    experiment, measured = checked.experiment, checked.experiment.measured
    trainings: dict[tuple[int, int], Training] = {}
    for repetition, drawn in enumerate(repetitions.values, 1):
        for number, cell in enumerate(checked.cells):
            training = checked.training({**checked.fixed, **cell, **drawn}, report)
            if training is None:
                return []
            trainings[repetition, number] = training
    seed_name = checked.repository.seed_parameter or ""
    mutated = tuple(parameter.name for parameter in checked.mutated)
    design = Design(
        len(repetitions.values),
        len(checked.cells),
        len(checked.conditions),
        bool(experiment.conditions or measured.grid),
    )
    runs = []
    for index, slot in enumerate(ordered(design, experiment.order, f"{seed}\0{experiment.number}")):
        training = trainings[slot.repetition, slot.cell]
        condition = checked.conditions[slot.condition]
        runs.append(
            Run(
                index=first_index + index,
                experiment=experiment.number,
                repetition=slot.repetition,
                mode=condition.mode,
                foreground=training,
                mutated=mutated,
                background=condition.background,
                timeout_seconds=measured.timeout_seconds,
                description=experiment.description,
                place=checked.place,
                reach=measured.reach,
                condition=condition.label,
                block=None if slot.block is None else first_block + slot.block - 1,
                grid=tuple(measured.grid),
                training_seed=training.hyperparameters.get(seed_name),
                references=(condition.background and experiment.references) or None,
                machine=checked.machine(checked.cells[slot.cell]),
            )
        )
    return runs


def ordered(design: Design, order: str, key: str) -> list[Slot]:
    """The runs of a design in an order: ``as_written``, ``blocks`` or ``random``.

    What is drawn goes by *key*, and by the block or the repetition alone.
    """
    slots = list(_slots(design, order == "blocks", f"{key}\0order"))
    if order != "random":
        return slots
    return [slots[number] for number in permutation(f"{key}\0order\0random", len(slots))]


def _slots(design: Design, drawn: bool, key: str) -> Iterator[Slot]:
    """Block by block; with conditions a block is of one cell, else of all cells."""
    several = design.conditions > 1
    orders = block_orders(key, design.conditions if several else design.cells)
    block = 0
    for repetition in range(1, design.repetitions + 1):
        if not design.blocks:
            yield Slot(None, repetition, 0, 0)
        elif not several:
            block += 1
            for cell in next(orders) if drawn else range(design.cells):
                yield Slot(block, repetition, cell, 0)
        else:
            among = f"{key}\0cells\0{repetition}"
            for cell in permutation(among, design.cells) if drawn else range(design.cells):
                block += 1
                for condition in next(orders) if drawn else range(design.conditions):
                    yield Slot(block, repetition, cell, condition)
