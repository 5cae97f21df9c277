"""How long runs will take: their trainings, and what is measured around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from energyctl.campaign.estimates import around_seconds, estimate_seconds
from energyctl.campaign.machine_control import SETTLE_SECONDS
from energyctl.config.plan import BackgroundJob, Run, Training
from energyctl.config.registry import Hyperparameter, Repository
from energyctl.config.settings import Control, References, Settle

FRONT, BACK = Training("front", "small", {}), Training("back", "large", {})
EPOCHS = Hyperparameter("epochs", "--epochs", "int", default=10, scales_duration=True)
ALONE = Run(1, 0, 1, "default", FRONT)
BESIDE = Run(2, 0, 1, "parallel", FRONT, background=(BackgroundJob(BACK, 2),))


def finished(status: str = "succeeded", *, after: float = 30.0, **changes: Any) -> dict[str, Any]:
    """100 s of training, 15 s of idle before it."""
    phases = [
        {"name": "idle", "start": 0.0, "end": 15.0},
        {"name": "foreground", "start": 15.0, "end": 115.0},
        {"name": "background_only", "start": 115.0, "end": 115.0 + after},
        {"name": "cooldown", "start": 115.0 + after, "end": 500.0},
    ]
    training = {"repo": "front", "model": "small", "duration": 100.0}
    job = {"job": "back_large_1", "repo": "back", "model": "large"}
    beside = {"jobs": [job, {**job, "job": "back_large_2"}]}
    result = {"status": status, "mode": "parallel", "foreground_result": training}
    return {**result, "phases": phases, "background_info": beside, **changes}


def estimated(
    run: Run, *results: dict[str, Any], control: Control | None = None, **typical: float
) -> float | None:
    (seconds,) = all_estimated([run], *results, control=control, **typical)
    return seconds


def all_estimated(
    runs: Sequence[Run],
    *results: dict[str, Any],
    control: Control | None = None,
    governor: str | None = None,
    **typical: float,
) -> list[float | None]:
    settings: Any = SimpleNamespace(
        use_deduplication=False,
        idle_seconds=10.0,
        cooldown_seconds=60.0,
        control=control,
        governor=governor,
        settle=Settle(seconds=10, timeout_seconds=300),
    )
    models = {"front": "small", "back": "large"}
    registry: Any = SimpleNamespace(
        repositories={
            repo: Repository(
                repo,
                None,
                (model,),
                (),
                hyperparameters={"epochs": EPOCHS} if runs[0].foreground.hyperparameters else {},
                typical_seconds={model: typical[repo]} if repo in typical else {},
            )
            for repo, model in models.items()
        }
    )
    folder: Any = SimpleNamespace(all=lambda: iter(results))
    return estimate_seconds(runs, settings, registry, folder)


def test_what_was_measured_around_a_training_counts_by_the_background() -> None:
    runs = [
        finished(after=30.0),
        finished(after=50.0),
        finished("failed", after=1000.0),
        finished(imported={"from": "x"}, after=1000.0),
        finished(phases=[]),
        finished(background_info=None, after=0.0),
    ]
    around = around_seconds(iter(runs))  # type: ignore[arg-type]
    assert around == {frozenset({"back/large"}): 55.0, frozenset(): 15.0}


def test_finished_runs_of_the_kind_go_before_the_registry() -> None:
    assert estimated(BESIDE, finished(), front=7.0, back=7.0) == 145.0


@pytest.mark.parametrize(
    ("background", "alone"),
    [
        (2.0, 12.0),  # five of them, and the one that has begun
        (60.0, 240.0),
        (290.0, 300.0),  # no more than timeout_seconds
        (400.0, 10.0),  # too long to be waited for
    ],
)
def test_else_the_load_alone_takes_its_iterations_twice(background: float, alone: float) -> None:
    assert estimated(BESIDE, front=100.0, back=background) == 100 + 10 + 2 * alone


def test_of_a_background_that_nothing_is_known_of_the_settings_tell() -> None:
    assert estimated(BESIDE, front=100.0) == 100 + 10 + 2 * 10


def test_alone_there_is_idle_beside_it() -> None:
    assert estimated(ALONE, front=100.0) == 110.0
    assert estimated(ALONE) is None


def test_a_control_before_the_run_takes_its_idle_its_work_and_a_cool_down() -> None:
    assert estimated(ALONE, front=100.0, control=Control(every=1)) == 110.0 + 10 + 10 + 60
    assert estimated(ALONE, front=100.0, control=Control()) == 110.0  # it is of no block


LEVELS = [
    replace(ALONE, index=number, machine=machine)
    for number, machine in enumerate(
        [{}, {"gpu_clock_mhz": 900}, {"gpu_clock_mhz": 900}, {"governor": "powersave"}]
    )
]


def settling(runs: Sequence[Run], control: Control | None = None, **fields: Any) -> list[float]:
    """How many times the machine settles for each run."""
    plain = [replace(run, machine={}) for run in runs]
    times = zip(
        all_estimated(runs, control=control, front=100.0, **fields),
        all_estimated(plain, control=control, front=100.0),
        strict=True,
    )
    return [(more - less) / SETTLE_SECONDS for more, less in times if more and less]


def test_the_machine_settles_after_each_change_of_what_is_set() -> None:
    assert settling(LEVELS) == [0, 1, 0, 1]
    assert settling(LEVELS[1:]) == [1, 0, 1]


def test_around_a_control_the_machine_settles_twice_where_it_is_set_otherwise() -> None:
    each = Control(every=1)
    assert settling(LEVELS, each) == [0, 1, 2, 2]
    assert settling(LEVELS[1:], each) == [1 + 2, 2, 2]
    assert settling(LEVELS, each, governor="powersave") == [2, 2, 2, 1]


def test_references_take_their_time() -> None:
    wanted = References(context_held_seconds=5.0, background_alone_seconds=100.0)
    plain = estimated(BESIDE, front=100.0)
    more = estimated(replace(BESIDE, references=wanted), front=100.0)
    assert plain is not None
    assert more == plain + 5 + 2 * (100 - 10)


def test_a_result_whose_phases_are_without_their_times_tells_nothing() -> None:
    runs: Any = iter([finished(phases=[{}]), finished(phases=[{"start": 0.0}])])
    assert around_seconds(runs) == {}


def of_epochs(epochs: int | None, seconds: float = 100.0) -> dict[str, Any]:
    values = {} if epochs is None else {"epochs": epochs}
    training = {"repo": "front", "model": "small", "duration": seconds, "hyperparameters": values}
    return finished(mode="default", foreground_result=training, phases=[], background_info=None)


def test_the_estimate_follows_what_scales_the_duration() -> None:
    long = replace(ALONE, foreground=Training("front", "small", {"epochs": 250}))
    assert estimated(long, front=20.0) == 20 * 25 + 10  # the registry: of the default, 10
    assert estimated(long, of_epochs(5, 50.0), of_epochs(15, 150.0), front=20.0) == 2500 + 10
    # Of how many epochs these were is not known.
    assert estimated(long, of_epochs(None), of_epochs(0), front=20.0) == 510
    unknown = replace(ALONE, foreground=Training("front", "small", {"epochs": None}))
    assert estimated(unknown, of_epochs(5), front=20.0) == 30
