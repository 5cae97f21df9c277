"""Conditions × grid × repetitions as runs: their blocks, orders, training seeds, warm-up runs."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from energyctl.config import plan, registry, settings
from energyctl.config.plan.repetitions import SEEDS
from energyctl.errors import SettingsError

SAMPLE = json.loads((Path(__file__).parents[2] / "samples" / "registry.json").read_text("utf-8"))
NET: dict[str, Any] = {"repo": "net", "model": "small"}
JOB: dict[str, Any] = {"repo": "load", "model": "cpu"}
BESIDE: dict[str, Any] = {**NET, "conditions": {"alone": None, "beside": JOB}}
GRID: dict[str, Any] = {"grid": {"epochs": [1, 2], "dropout": [0.0, 0.5]}}
SEED = {"flag": "--seed", "type": "int", "default": 1}


def known(seed: dict[str, Any] | None = None, **fields: Any) -> registry.Registry:
    """The registry of the tests; with *seed*, its training has a seed."""
    data = json.loads(json.dumps(SAMPLE))
    if seed is not None:
        data["models"]["net"]["supported_hyperparams"]["seed"] = seed
        data["models"]["net"]["seed_parameter"] = "seed"
    data["models"]["net"] |= fields
    return registry.parse(data, "registry")


def made(
    *experiments: Any,
    seed: int = 7,
    models: registry.Registry | None = None,
    history: plan.History | None = None,
    **top: Any,
) -> plan.Plan:
    data = {"experiment_name": "x", **top, "experiments": list(experiments)}
    document = settings.parse(json.dumps(data, indent=1), "x.json")
    checked = settings.check(document)
    assert checked.settings is not None, checked.problems
    return plan.make(
        checked.settings,
        models or known(),
        seed=seed,
        document=document,
        problems=checked.problems,
        history=history,
    )


def blocks(of: plan.Plan) -> dict[int | None, list[plan.Run]]:
    found = defaultdict(list)
    for run in of.runs:
        found[run.block].append(run)
    return found


def value(run: plan.Run, name: str) -> Any:
    return run.foreground.hyperparameters[name]


# -- blocks ----------------------------------------------------------------------------------------


def test_a_block_has_each_condition_once_with_the_same_values_and_seed() -> None:
    training = {**BESIDE, "mutate": ["learning_rate"], "runs_per_config": 6}
    of = made(training, models=known(SEED))
    assert not of.problems
    assert [run.index for run in of.runs] == list(range(1, 13))
    assert [run.block for run in of.runs] == [block for block in range(1, 7) for _ in range(2)]
    for number, runs in blocks(of).items():
        assert {run.condition for run in runs} == {"alone", "beside"}
        assert {run.repetition for run in runs} == {number}
        assert len({json.dumps(run.foreground.to_json()) for run in runs}) == 1
        assert {run.training_seed for run in runs} == {value(runs[0], "seed")}
        for run in runs:
            assert (run.mode == "parallel") is bool(run.background)
            assert run.mode in ("parallel", "mutation")
    seeds = [runs[0].training_seed for runs in blocks(of).values()]
    assert len(set(seeds)) == 6
    first = [runs[0].condition for runs in blocks(of).values()]
    assert all(
        set(pair) == {"alone", "beside"} for pair in zip(first[::2], first[1::2], strict=True)
    )


def test_a_grid_without_conditions_makes_a_block_of_each_repetition() -> None:
    of = made({**NET, "mode": "grid", **GRID, "runs_per_config": 8})
    assert {run.mode for run in of.runs} == {"grid"}
    assert {run.condition for run in of.runs} == {"alone"}
    assert {run.grid for run in of.runs} == {("epochs", "dropout")}
    assert plan.Run.from_json(of.runs[0].to_json()) == of.runs[0]
    for number, runs in blocks(of).items():
        cells = {(value(run, "epochs"), value(run, "dropout")) for run in runs}
        assert len(cells) == len(runs) == 4
        assert {run.repetition for run in runs} == {number}
    places = Counter(
        (place, value(run, "epochs"), value(run, "dropout"))
        for runs in blocks(of).values()
        for place, run in enumerate(runs)
    )
    assert set(places.values()) == {2}  # 16 pairs of place and cell, 8 repetitions


def test_conditions_and_a_grid_make_a_block_of_each_cell_and_repetition() -> None:
    training = {**BESIDE, **GRID, "mutate": ["learning_rate"], "runs_per_config": 3}
    of = made({**NET, "mode": "default"}, training, models=known(SEED))
    assert of.runs[0].block is None
    found = blocks(of)
    assert list(found) == [None, *range(1, 13)]
    for number, runs in found.items():
        if number is not None:
            assert sorted(run.condition for run in runs) == ["alone", "beside"]
            assert len({json.dumps(run.foreground.to_json()) for run in runs}) == 1
    for repetition in (1, 2, 3):
        runs = [run for run in of.runs[1:] if run.repetition == repetition]
        assert len({(value(run, "epochs"), value(run, "dropout")) for run in runs}) == 4
        assert len({value(run, "learning_rate") for run in runs}) == 1
        assert len({run.training_seed for run in runs}) == 1


def test_blocks_count_over_the_whole_file() -> None:
    of = made({**BESIDE, "runs_per_config": 2}, {**NET, "mode": "default"}, BESIDE)
    assert [run.block for run in of.runs] == [1, 1, 2, 2, None, 3, 3]
    assert [run.experiment for run in of.runs] == [0, 0, 0, 0, 1, 2, 2]


def test_excluded_cells_are_not_run() -> None:
    exclude = [{"epochs": 1, "dropout": 0.5}]
    of = made({**NET, "mode": "grid", **GRID, "exclude": exclude})
    cells = {(value(run, "epochs"), value(run, "dropout")) for run in of.runs}
    assert cells == {(1, 0.0), (2, 0.0), (2, 0.5)}


def test_levels_may_be_defaults_and_of_any_type() -> None:
    grid = {"mixed": [False, True], "optimizer": ["sgd", "adam"], "dropout": [0, 0.5]}
    of = made({**NET, "mode": "grid", "grid": grid})
    assert len(of.runs) == 8
    assert {type(value(run, "dropout")) for run in of.runs} == {float}


# -- orders ----------------------------------------------------------------------------------------


def order_of(of: plan.Plan) -> list[tuple[int, str, Any]]:
    return [(run.repetition, run.condition, value(run, "epochs")) for run in of.runs]


def test_a_longer_campaign_keeps_its_first_runs() -> None:
    for training in (BESIDE, {**BESIDE, **GRID}, {**NET, "mode": "grid", **GRID}):
        long = made({**training, "mutate": ["learning_rate"], "runs_per_config": 9}).runs
        for repetitions in (1, 4, 5):
            data = {**training, "mutate": ["learning_rate"], "runs_per_config": repetitions}
            short = made(data).runs
            assert short == long[: len(short)]


def test_levels_of_the_machine_are_set_for_each_run_and_reach_no_training() -> None:
    limits = {"gpu_power_limit_watts": [200, 300], "governor": ["powersave", "performance"]}
    of = made({**NET, "mode": "grid", "grid": limits}, governor="ondemand", gpu_clock_mhz=900)
    assert not of.problems
    cells = {(run.machine["gpu_power_limit_watts"], run.machine["governor"]) for run in of.runs}
    assert cells == {(w, g) for w in limits["gpu_power_limit_watts"] for g in limits["governor"]}
    for run in of.runs:
        assert run.grid == ("gpu_power_limit_watts", "governor")
        assert run.machine["gpu_clock_mhz"] == 900
        assert not run.machine.keys() & run.foreground.hyperparameters.keys()
        assert plan.Run.from_json(json.loads(json.dumps(run.to_json()))) == run


def test_an_experiments_setting_of_the_machine_wins_over_the_files() -> None:
    own = {**NET, "mode": "default", "gpu_power_limit_watts": 250}
    of = made(own, {**NET, "mode": "default"}, gpu_power_limit_watts=400, governor="performance")
    assert [dict(run.machine) for run in of.runs] == [
        {"governor": "performance", "gpu_power_limit_watts": watts} for watts in (250, 400)
    ]


def test_as_written_nothing_is_drawn() -> None:
    of = made({**BESIDE, "grid": {"epochs": [2, 1]}, "runs_per_config": 2}, order="as_written")
    cells = [("alone", 2), ("beside", 2), ("alone", 1), ("beside", 1)]
    assert order_of(of) == [(n, *cell) for n in (1, 2) for cell in cells]
    assert [run.block for run in of.runs] == [1, 1, 2, 2, 3, 3, 4, 4]


def test_random_orders_all_runs_of_the_experiment() -> None:
    training = {**BESIDE, "runs_per_config": 20}
    blocked, random = made(training), made(training, order="random")
    assert sorted(order_of(blocked)) == sorted(order_of(random))
    assert [run.index for run in random.runs] == list(range(1, 41))
    assert any(one.block != other.block for one, other in pairwise(random.runs[::2]))
    assert len({tuple(order_of(made(training, order="random", seed=s))) for s in range(5)}) == 5
    plain = made({**NET, "mode": "default", "runs_per_config": 20, "order": "random"}).runs
    repetitions = [run.repetition for run in plain]
    assert repetitions != sorted(repetitions)
    assert sorted(repetitions) == list(range(1, 21))
    assert {run.block for run in plain} == {None}


def test_experiments_follow_each_other_as_written() -> None:
    of = made({**BESIDE, "runs_per_config": 3}, {**BESIDE, "runs_per_config": 3}, order="random")
    assert [run.experiment for run in of.runs] == [0] * 6 + [1] * 6


# -- training seeds --------------------------------------------------------------------------------


def seeds(of: plan.Plan) -> list[int | None]:
    return [run.training_seed for run in of.runs]


def test_the_training_seed_is_drawn_for_each_repetition() -> None:
    default = {**NET, "mode": "default", "runs_per_config": 50}
    drawn = seeds(made(default, models=known(SEED)))
    assert len(set(drawn)) == 50
    assert all(one is not None and SEEDS[0] <= one <= SEEDS[1] for one in drawn)
    assert seeds(made(default, models=known(SEED))) == drawn
    assert seeds(made(default, seed=8, models=known(SEED))) != drawn
    assert seeds(made(default)) == [None] * 50


def test_within_its_bounds_or_choices() -> None:
    default = {**NET, "mode": "default", "runs_per_config": 200}
    bounded = known({**SEED, "bounds": [-3, 4], "range": [0, 1]})
    assert set(seeds(made(default, models=bounded))) == set(range(-3, 5))
    chosen = known({**SEED, "choices": [1, 5, 9]})
    assert set(seeds(made(default, models=chosen))) == {1, 5, 9}


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"mode": "default", "hyperparameters": {"seed": 12}}, {12}),
        ({"mode": "default", "hyperparameters": {"seed": "epochs * 2"}}, {20}),
        ({"mode": "grid", "grid": {"seed": [3, 4]}}, {3, 4}),
        ({"mode": "mutation", "mutate": ["seed"], "runs_per_config": 30}, {0, 2}),
    ],
)
def test_unless_it_has_a_value_is_mutated_or_in_the_grid(
    fields: dict[str, Any], wanted: set[int]
) -> None:
    models = known({**SEED, "range": [0, 2]})
    assert set(seeds(made({**NET, **fields}, models=models))) == wanted


def test_it_changes_no_other_draw() -> None:
    training = {**NET, "mode": "mutation", "mutate": ["learning_rate", "epochs"]}
    data = {**training, "runs_per_config": 20}

    def rates(models: registry.Registry) -> list[Any]:
        return [value(run, "learning_rate") for run in made(data, models=models).runs]

    assert rates(known()) == rates(known(SEED))


@pytest.mark.parametrize(
    ("parameter", "name", "message"),
    [
        (SEED, "sead", '"sead" is none of the supported_hyperparams; write "seed"'),
        ({"flag": "--s", "type": "float", "default": 1.0}, "seed", "of type float, and a seed is"),
        ({**SEED, "unsupported": "it has none"}, "seed", "no seed reaches the program"),
        ({"flag": "--s", "type": "int", "value": "epochs + 1"}, "seed", "is computed from others"),
    ],
)
def test_a_seed_parameter_must_be_one(parameter: dict[str, Any], name: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        known(parameter, seed_parameter=name)
    assert f"models.net.seed_parameter: {message}" in str(error.value) or message in str(
        error.value
    )


def test_a_model_that_takes_no_seed_gets_none() -> None:
    models = known(SEED, per_model={"small": {"unsupported": {"seed": "it has none"}}})
    (run,) = made({**NET, "mode": "default"}, models=models).runs
    assert run.training_seed is None
    assert "seed" not in run.foreground.hyperparameters


# -- warm-up runs ----------------------------------------------------------------------------------


def test_warm_up_runs_are_like_the_first_one() -> None:
    training = {**BESIDE, "mutate": ["learning_rate"], "runs_per_config": 2}
    plain = made(training, models=known(SEED))
    of = made(training, models=known(SEED), warm_up_runs=2)
    assert [run.index for run in of.runs] == [1, 2, 3, 4, 5, 6]
    assert [run.warm_up for run in of.runs] == [True, True, False, False, False, False]
    assert [run.block for run in of.runs] == [None, None, 1, 1, 2, 2]
    first = of.runs[2]
    for warm_up in of.runs[:2]:
        assert warm_up.foreground == first.foreground
        assert (warm_up.condition, warm_up.training_seed) == (first.condition, first.training_seed)
    assert [run.foreground for run in of.runs[2:]] == [run.foreground for run in plain.runs]
    assert not made({**NET, "repo": "absent", "mode": "default"}, warm_up_runs=2).runs


# -- what does not fit the registry ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "where", "message"),
    [
        ({"grid": {"epoch": [1]}}, "grid.epoch", 'no such hyper-parameter; did you mean "epochs"?'),
        ({"grid": {"epochs": ["x"]}}, "grid.epochs[0]", 'must be a whole number, not "x"'),
        ({"grid": {"epochs": [1, 2.5]}}, "grid.epochs[1]", "must be a whole number, not 2.5"),
        ({"grid": {"optimizer": ["adamx"]}}, "grid.optimizer[0]", "must be one of its choices"),
        (
            {"grid": {"epochs": [1]}, "hyperparameters": {"epochs": 3}},
            "grid.epochs",
            'has a fixed value, too: "hyperparameters" names it; remove one of them',
        ),
        (
            {"grid": {"epochs": [1]}, "mutate": ["epochs"]},
            "grid.epochs",
            'is drawn, too: "mutate" names it; remove one of them',
        ),
    ],
)
def test_levels_that_the_registry_forbids(fields: Any, where: str, message: str) -> None:
    of = made({**NET, "mode": "grid", **fields}, BESIDE)
    (problem,) = of.errors
    assert (problem.where, problem.severity) == (f"experiments[0].{where}", "invalid")
    assert message in problem.sentence
    assert {run.experiment for run in of.runs} == {1}


def test_levels_keep_bounds_and_constraints() -> None:
    bounded = {**SAMPLE["models"]["net"]["supported_hyperparams"]}
    bounded["epochs"] = {**bounded["epochs"], "bounds": [1, 20]}
    models = known(supported_hyperparams=bounded, constraints=["epochs > kfold"])
    of = made({**NET, "mode": "grid", "grid": {"epochs": [5, 21]}}, models=models)
    assert [problem.sentence for problem in of.errors] == [
        "experiments[0].grid.epochs[1]: must be at most 20, not 21"
    ]
    of = made({**NET, "mode": "grid", "grid": {"epochs": [5, 2]}}, models=models)
    (problem,) = of.errors
    assert 'breaks the constraint "epochs > kfold": epochs 2, kfold 3' in problem.sentence
    assert problem.suggestion == 'leave that combination out by "exclude"'
    drawn = {"mode": "grid", "grid": {"epochs": [4, 9]}, "mutate": ["kfold"], "runs_per_config": 2}
    of = made({**NET, **drawn}, models=models)
    assert all(value(run, "kfold") < 4 for run in of.runs)


def test_all_leaves_out_what_is_in_the_grid() -> None:
    (run, *_) = made({**NET, "mode": "grid", **GRID, "mutate": ["all"]}).runs
    assert set(run.mutated) == {"learning_rate", "kfold", "optimizer"}


def test_backgrounds_of_conditions_are_checked_where_they_stand() -> None:
    conditions = {
        "alone": None,
        "two": [{**JOB, "repo": "lod"}, {**JOB, "hyperparameters": {"thread": 2}}],
    }
    of = made({**NET, "conditions": conditions})
    assert [problem.sentence for problem in of.problems] == [
        'experiments[0].conditions.two[0].repo: "lod" is no repository of the registry; '
        'did you mean "load"?',
        'experiments[0].conditions.two[1].hyperparameters.thread: "load" has no such '
        'hyper-parameter: it is not passed; did you mean "threads"?',
    ]
    assert not of.runs


def test_the_names_in_an_invalid_experiment_are_checked_too() -> None:
    of = made({**NET, "mode": "nonsense", "conditions": {"a": None, "b": {**JOB, "repo": "lod"}}})
    wheres = [problem.where for problem in of.errors]
    assert wheres == ["experiments[0].mode", "experiments[0].conditions.b.repo"]


# -- deduplication ---------------------------------------------------------------------------------


def test_what_was_run_before_in_either_mode_is_not_drawn_again() -> None:
    training = {**BESIDE, "mutate": ["kfold"], "runs_per_config": 1}
    history = {
        ("net", "small", False): [plan.deduplication.EarlierRun({"kfold": 2}, "a.json")],
        ("net", "small", True): [plan.deduplication.EarlierRun({"kfold": 4}, "b.json")],
    }
    for seed in range(10):
        of = made(training, seed=seed, history=history, use_deduplication=True)
        assert {value(run, "kfold") for run in of.runs} == {5}  # 3 is the default


def test_warm_up_runs_are_no_earlier_runs() -> None:
    result = {
        "status": "succeeded",
        "mode": "default",
        "foreground_result": {**NET, "hyperparameters": {"kfold": 2}},
    }
    assert plan.history_from_results([("a.json", result)])
    assert not plan.history_from_results([("a.json", {**result, "warm_up": True})])
