from __future__ import annotations

import csv
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from energyctl.config import plan, registry, settings
from energyctl.config.plan.parameter_space import Space
from energyctl.config.plan.random_values import ValueDrawer
from energyctl.config.registry import Hyperparameter
from energyctl.errors import SettingsError

# The same examples each time, however slow the machine.
REPEATABLE = examples(derandomize=True, deadline=None)
SAMPLES = Path(__file__).parents[2] / "samples"
KNOWN = registry.read(SAMPLES / "registry.json")
NET: dict[str, Any] = {"repo": "net", "model": "small"}
JOB: dict[str, Any] = {"repo": "load", "model": "cpu", "hyperparameters": {"threads": 2}}
DEFAULTS = {
    "epochs": 10,
    "learning_rate": 0.1,
    "dropout": 0.0,
    "kfold": 3,
    "optimizer": "sgd",
    "mixed": False,
}


def made(
    *experiments: Any, seed: int = 7, history: plan.History | None = None, **top: Any
) -> plan.Plan:
    data = {"experiment_name": "x", **top, "experiments": list(experiments)}
    document = settings.parse(json.dumps(data, indent=1), "x.json")
    checked = settings.check(document)
    assert checked.settings is not None
    return plan.make(
        checked.settings,
        KNOWN,
        seed=seed,
        document=document,
        problems=checked.problems,
        history=history,
    )


def mutation(*names: str, runs: int = 3, **fields: Any) -> dict[str, Any]:
    return {**NET, "mode": "mutation", "mutate": list(names), "runs_per_config": runs, **fields}


def values(of: plan.Plan, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(run.foreground.hyperparameters[name] for name in names) for run in of.runs]


def test_a_run_holds_every_value_in_the_order_of_the_registry() -> None:
    (run,) = made({**NET, "mode": "default", "hyperparameters": {"kfold": 9, "epochs": 3}}).runs
    assert list(run.foreground.hyperparameters.items()) == list(
        {**DEFAULTS, "epochs": 3, "kfold": 9}.items()
    )
    assert run.mutated == ()


def test_runs_are_numbered_through_and_separators_are_counted() -> None:
    of = made(
        {"comment": "part 1"},
        mutation("epochs", runs=2),
        {**NET, "repo": "absent", "mode": "default"},
        {**NET, "mode": "default", "runs_per_config": 2},
    )
    assert [run.index for run in of.runs] == [1, 2, 3, 4]
    assert [run.experiment for run in of.runs] == [1, 1, 3, 3]
    assert [run.repetition for run in of.runs] == [1, 2, 1, 2]
    assert of.separators == 1
    assert of.invalid_experiments == {2}


def test_a_parallel_run_has_its_background_with_every_value() -> None:
    foreground = {**NET, "mutate": ["learning_rate"], "timeout_seconds": 60}
    background = [{**JOB, "copies": 2, "restart_delay_seconds": 1}, JOB]
    of = made({"mode": "parallel", "foreground": foreground, "background": background})
    (run,) = of.runs
    assert run.mode == "parallel"
    assert run.mutated == ("learning_rate",)
    assert run.timeout_seconds == 60
    job = plan.Training("load", "cpu", {"threads": 2, "eager": True})
    assert run.background == (
        plan.BackgroundJob(job, 2, 0.0, 1.0),
        plan.BackgroundJob(job, 1, 0.0, 0.0),
    )


def test_the_json_of_a_plan_has_the_keys_of_the_contract() -> None:
    of = made({"mode": "parallel", "foreground": NET, "background": JOB}, 5, seed=3)
    data = json.loads(json.dumps(of.to_json()))
    (run,) = data["runs"]
    assert (run["index"], run["experiment"], run["mode"]) == (1, 0, "parallel")
    assert (run["repo"], run["model"], run["hyperparameters"]) == ("net", "small", DEFAULTS)
    (job,) = run["background"]
    assert (job["repo"], job["model"], job["copies"]) == ("load", "cpu", 1)
    assert job["hyperparameters"] == {"threads": 2, "eager": True}
    (problem,) = data["problems"]
    assert problem["where"] == "experiments[1]"
    assert {"message", "suggestion", "line", "severity"} <= problem.keys()
    assert (data["separators"], data["seed"], data["warnings"]) == (0, 3, [])


def test_a_run_survives_json_without_a_loss() -> None:
    foreground = {**NET, "mutate": ["all"], "timeout_seconds": 0.1}
    of = made(
        {"mode": "parallel", "foreground": foreground, "background": JOB, "runs_per_config": 20},
        {**NET, "mode": "default", "comment": "说明"},
    )
    assert len(of.runs) == 21
    for run in of.runs:
        assert plan.Run.from_json(json.loads(json.dumps(run.to_json()))) == run


def test_what_is_no_run_is_refused() -> None:
    with pytest.raises(SettingsError, match="no planned run"):
        plan.Run.from_json({"index": 1})


@pytest.mark.parametrize(
    ("experiment", "where", "message"),
    [
        (mutation("epochs", repo="nett"), "repo", 'did you mean "net"?'),
        (mutation("epochs", repo="zzz"), "repo", "known: net, load"),
        (mutation("epochs", model="smal"), "model", 'did you mean "small"?'),
        (mutation("epochs", "learnin_rate"), "mutate[1]", 'did you mean "learning_rate"?'),
        (mutation("mixed"), "mutate[0]", "gives it no choices"),
        (mutation("tag"), "mutate[0]", "gives it no choices"),
        (mutation("kfold", hyperparameters={"epochs": "3"}), "hyperparameters.epochs", "whole"),
        (mutation("kfold", hyperparameters={"epochs": 3.0}), "hyperparameters.epochs", "not 3.0"),
        (mutation("kfold", hyperparameters={"epochs": True}), "hyperparameters.epochs", "not true"),
        (mutation("kfold", hyperparameters={"mixed": 1}), "hyperparameters.mixed", "true or false"),
        (mutation("kfold", hyperparameters={"tag": 1}), "hyperparameters.tag", "a string"),
    ],
)
def test_what_does_not_fit_the_registry_is_invalid(
    experiment: dict[str, Any], where: str, message: str
) -> None:
    of = made(experiment, {**NET, "mode": "default"})
    assert [run.experiment for run in of.runs] == [1]
    (problem,) = of.errors
    assert (problem.severity, problem.experiment) == ("invalid", 0)
    assert problem.where == f"experiments[0].{where}"
    assert problem.line is not None
    assert message in str(problem)


def test_a_wrong_background_makes_the_experiment_invalid() -> None:
    one = {"mode": "parallel", "foreground": NET, "background": {**JOB, "model": "gpu"}}
    two = {**one, "background": [JOB, {**JOB, "repo": "lod"}]}
    of = made(one, two)
    assert not of.runs
    assert [problem.where for problem in of.errors] == [
        "experiments[0].background.model",
        "experiments[1].background[1].repo",
    ]


def test_all_that_does_not_fit_is_reported_together() -> None:
    of = made(mutation("a", "b", model="c", hyperparameters={"epochs": "d"}))
    assert len(of.errors) == 4


def test_an_unknown_hyperparameter_is_a_warning_and_not_passed_on() -> None:
    of = made({**NET, "mode": "default", "hyperparameters": {"learningrate": 1, "epochs": 2}})
    (problem,) = of.warnings
    assert problem.where == "experiments[0].hyperparameters.learningrate"
    assert 'did you mean "learning_rate"?' in str(problem)
    assert of.runs[0].foreground.hyperparameters == {**DEFAULTS, "epochs": 2}


def test_a_whole_number_for_a_float_becomes_a_float() -> None:
    of = made({**NET, "mode": "default", "hyperparameters": {"learning_rate": 1}})
    assert repr(of.runs[0].foreground.hyperparameters["learning_rate"]) == "1.0"


def test_a_value_outside_its_range_may_be_fixed() -> None:
    of = made({**NET, "mode": "default", "hyperparameters": {"epochs": 9999, "learning_rate": 50}})
    assert of.runs[0].foreground.hyperparameters["epochs"] == 9999
    assert not of.problems


def test_a_value_both_fixed_and_mutated_is_mutated_with_a_warning() -> None:
    of = made(mutation("epochs", hyperparameters={"epochs": 1}, runs=5))
    assert len(values(of, "epochs")) == 5
    assert all(5 <= epochs <= 15 for (epochs,) in values(of, "epochs"))
    assert [problem.where for problem in of.warnings] == ["experiments[0].hyperparameters.epochs"]


def test_all_mutates_whatever_can_be_mutated() -> None:
    (run,) = made(mutation("all", runs=1)).runs
    assert run.mutated == ("epochs", "learning_rate", "dropout", "kfold", "optimizer")
    assert run.foreground.hyperparameters["mixed"] is False


def test_all_leaves_out_what_is_fixed_but_not_what_is_named_besides() -> None:
    fixed = {"hyperparameters": {"epochs": 7, "dropout": 0.25}}
    free, of = made(mutation("all", runs=5)), made({**mutation("all", runs=5), **fixed})
    assert of.warnings == ()
    for run, other in zip(of.runs, free.runs, strict=True):
        assert run.mutated == ("learning_rate", "kfold", "optimizer")
        given, drawn = run.foreground.hyperparameters, other.foreground.hyperparameters
        assert given == {**drawn, "epochs": 7, "dropout": 0.25}
    (named,) = made({**mutation("all", "epochs", runs=1), **fixed}).runs
    assert "epochs" in named.mutated
    assert "dropout" not in named.mutated


def test_all_beside_a_fixed_value_of_each_has_nothing_to_draw() -> None:
    fixed = {name: DEFAULTS[name] for name in DEFAULTS if name != "mixed"}
    of = made({**mutation("all"), "hyperparameters": fixed})
    (problem,) = of.errors
    assert "leaves nothing to mutate" in problem.message
    assert of.runs == ()


def test_only_the_named_parameters_are_mutated() -> None:
    of = made(mutation("learning_rate", runs=30))
    assert len(of.runs) == 30
    for run in of.runs:
        assert {**run.foreground.hyperparameters, "learning_rate": 0.1} == DEFAULTS


def test_the_seed_decides_every_value() -> None:
    experiment = mutation("all", runs=20)
    assert made(experiment, seed=1).runs == made(experiment, seed=1).runs
    one, other = made(experiment, seed=1), made(experiment, seed=2)
    assert len(one.runs) == len(other.runs) == 20
    assert not set(values(one, "learning_rate")) & set(values(other, "learning_rate"))


def test_other_experiments_and_further_runs_change_no_value() -> None:
    names = ("epochs", "learning_rate", "kfold")
    few = values(made({"comment": "x"}, mutation(*names, runs=5)), *names)
    many = values(made({"comment": "x"}, mutation(*names, runs=50)), *names)
    assert many[:5] == few
    beside = made(mutation("epochs", runs=4), mutation(*names, runs=5))
    assert values(beside, *names)[4:] == few


def test_experiments_alike_are_drawn_apart() -> None:
    of = made(mutation("learning_rate"), mutation("learning_rate"))
    assert len(set(values(of, "learning_rate"))) == 6


def test_fewer_values_than_runs_give_fewer_runs_and_say_how_many() -> None:
    of = made(mutation("kfold", runs=10))
    assert sorted(values(of, "kfold")) == [(2,), (4,), (5,)]
    (problem,) = of.warnings
    assert "kfold: only 3 different values" in problem.message
    assert "3 runs instead of 10" in problem.message
    assert not of.errors


def test_a_finite_space_is_used_up_to_its_last_combination() -> None:
    of = made(mutation("kfold", "optimizer", runs=12))
    found = values(of, "kfold", "optimizer")
    assert len(found) == len(set(found)) == 4 * 3 - 1
    assert (3, "sgd") not in found


def test_five_hundred_runs_of_every_parameter_are_distinct() -> None:
    found = values(made(mutation("all", runs=500)), *DEFAULTS)
    assert len(set(found)) == 500


def space(kind: Any, low: Any, high: Any, **fields: Any) -> Space:
    return Space(Hyperparameter("x", "--x", kind, low=low, high=high, **fields))


distributions = st.sampled_from(["uniform", "log_uniform"])
finite = st.floats(allow_nan=False, allow_infinity=False)


@REPEATABLE
@given(st.integers(-(10**9), 10**9), st.integers(0, 10**9), distributions, st.text(max_size=5))
def test_whole_numbers_stay_in_their_range(low: int, width: int, how: str, key: str) -> None:
    low = max(low, 1) if how == "log_uniform" else low
    drawn = space("int", low, low + width, distribution=how).draw(key)
    assert type(drawn) is int
    assert low <= drawn <= low + width


@REPEATABLE
@given(finite, finite, distributions, st.text(max_size=5))
def test_floats_stay_in_their_range(one: float, other: float, how: str, key: str) -> None:
    low, high = sorted((one, other))
    if how == "log_uniform":
        low, high = sorted((abs(one) or 1.0, abs(other) or 1.0))
    drawn = space("float", low, high, distribution=how).draw(key)
    assert type(drawn) is float
    assert low <= drawn <= high


@REPEATABLE
@given(finite, st.integers(0, 20), st.floats(0, 1), st.integers(1, 40))
def test_the_values_of_a_space_are_as_many_as_it_says(
    low: float, steps: int, zero_probability: float, runs: int
) -> None:
    high = low
    for _ in range(steps):
        high = math.nextafter(high, math.inf)
    if math.isinf(high):
        return
    narrow = space("float", low, high, zero_probability=zero_probability)
    listed = [narrow.at(place) for place in range(narrow.size)]
    assert len(set(listed)) == len(listed)
    assert all(value in narrow for value in listed)
    drawer = ValueDrawer([narrow.parameter], seed=1, experiment=0)
    drawn = [drawer.next(number)["x"] for number in range(1, min(runs, narrow.size) + 1)]
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) <= set(listed)


@REPEATABLE
@given(
    st.lists(
        st.tuples(st.integers(-3, 3), st.integers(0, 3), st.floats(0, 1)), min_size=1, max_size=3
    ),
    st.integers(0, 2**32),
)
def test_every_combination_is_drawn_once_and_never_the_defaults(
    ranges: list[tuple[int, int, float]], seed: int
) -> None:
    parameters = [
        Hyperparameter(
            f"p{number}", None, "int", default=low, low=low, high=low + width, zero_probability=zero
        )
        for number, (low, width, zero) in enumerate(ranges)
    ]
    drawer = ValueDrawer(parameters, seed=seed, experiment=0)
    left = drawer.left
    drawn = [tuple(drawer.next(number).values()) for number in range(left)]
    assert len(set(drawn)) == left
    assert tuple(parameter.default for parameter in parameters) not in drawn
    with pytest.raises(LookupError):
        drawer.next(left)


def test_a_float_space_of_added_zeros_is_not_all_zeros() -> None:
    parameter = Hyperparameter("x", "--x", "float", 0.5, 0.1, 0.9, zero_probability=0.999)
    drawer = ValueDrawer([parameter], seed=1, experiment=0)
    drawn = [drawer.next(number)["x"] for number in range(1, 101)]
    assert len(set(drawn)) == 100
    assert all(value == 0 or 0.1 <= value <= 0.9 for value in drawn)


def test_added_zeros_come_as_often_as_asked() -> None:
    drawn = [space("float", 1.0, 2.0, zero_probability=0.25).draw(str(key)) for key in range(4000)]
    assert drawn.count(0.0) / len(drawn) == pytest.approx(0.25, abs=0.03)


def test_whole_numbers_are_drawn_evenly_with_both_ends() -> None:
    count = Counter(space("int", 2, 5).draw(str(key)) for key in range(8000))
    assert sorted(count) == [2, 3, 4, 5]
    assert all(abs(times / 8000 - 0.25) < 0.03 for times in count.values())


def test_log_uniform_whole_numbers_have_their_share_at_the_ends() -> None:
    drawn = space("int", 1, 100, distribution="log_uniform")
    count = Counter(drawn.draw(str(key)) for key in range(20_000))
    whole = math.log(100.5 / 0.5)
    assert count[1] / 20_000 == pytest.approx(math.log(1.5 / 0.5) / whole, abs=0.02)
    upper = sum(times for value, times in count.items() if value > 50)
    assert upper / 20_000 == pytest.approx(math.log(100.5 / 50.5) / whole, abs=0.02)


def test_log_uniform_floats_fall_evenly_on_the_logarithm() -> None:
    drawn = space("float", 1e-6, 1e-2, distribution="log_uniform")
    below = sum(drawn.draw(str(key)) < 1e-4 for key in range(4000))
    assert below / 4000 == pytest.approx(0.5, abs=0.04)


def test_drawn_values_are_the_same_on_every_version_and_machine() -> None:
    of = made(mutation("kfold", "epochs", runs=4), seed=20)
    assert values(of, "epochs", "kfold") == [(5, 4), (10, 4), (6, 4), (12, 4)]


def test_a_range_of_nothing_but_the_default_is_invalid() -> None:
    data = json.loads((SAMPLES / "registry.json").read_text("utf-8"))
    data["models"]["net"]["supported_hyperparams"]["kfold"]["range"] = [3, 3]
    checked = settings.check(settings.parse(json.dumps({"experiments": [mutation("kfold")]}), "x"))
    assert checked.settings is not None
    of = plan.make(checked.settings, registry.parse(data, "x"), seed=1)
    assert not of.runs
    assert "no value but the default" in of.errors[0].message


def history() -> plan.History:
    with (SAMPLES / "history.csv").open(encoding="utf-8", newline="") as file:
        return plan.history_from_rows(csv.DictReader(file))


def test_history_is_kept_apart_by_model_and_mode_and_without_failed_runs() -> None:
    found = {key: tuple(run.values for run in runs) for key, runs in history().items()}
    assert found[("net", "small", False)] == ({"kfold": "2"}, {"kfold": "4", "epochs": "10"})
    assert found[("net", "small", True)] == ({"kfold": "5", "epochs": "10"},)
    assert found.keys() == {
        ("net", "small", False),
        ("net", "small", True),
        ("net", "large", False),
    }


def test_a_mode_column_wins_over_the_id() -> None:
    row = {"repository": "net", "model": "small", "mode": "parallel", "hyperparam_kfold": "2"}
    assert list(plan.history_from_rows([row])) == [("net", "small", True)]


def test_deduplication_leaves_out_what_was_run_in_the_same_mode() -> None:
    of = made(mutation("kfold"), history=history(), use_deduplication=True)
    assert values(of, "kfold") == [(5,)]
    assert "1 runs instead of 3" in of.warnings[0].message
    foreground = {**NET, "mutate": ["kfold"]}
    parallel = {"mode": "parallel", "foreground": foreground, "background": JOB}
    both = made({**parallel, "runs_per_config": 3}, history=history(), use_deduplication=True)
    assert sorted(values(both, "kfold")) == [(2,), (4,)]


def test_history_counts_only_where_it_is_asked_for_and_something_is_mutated() -> None:
    assert len(made(mutation("kfold"), history=history()).runs) == 3
    default = {**NET, "mode": "default", "hyperparameters": {"kfold": 2}}
    assert len(made(default, history=history(), use_deduplication=True).runs) == 1


def test_a_row_without_a_mutated_parameter_says_nothing() -> None:
    of = made(mutation("kfold", "epochs", runs=43), history=history(), use_deduplication=True)
    found = values(of, "kfold", "epochs")
    assert (4, 10) not in found
    assert (2, 10) in found
    assert len(found) == 4 * 11 - 2


def test_used_up_history_is_a_warning_and_no_run() -> None:
    rows = [{"repository": "net", "model": "small", "hyperparam_kfold": number} for number in "245"]
    of = made(mutation("kfold"), history=plan.history_from_rows(rows), use_deduplication=True)
    assert not of.runs
    assert not of.errors
    assert "0 runs instead of 3" in of.warnings[0].message


@pytest.mark.parametrize("cell", ["0.07065596805028977", "7.065596805028977e-2"])
def test_earlier_floats_are_compared_in_full_precision(cell: str) -> None:
    parameter = KNOWN.repositories["net"].hyperparameters["learning_rate"]
    row = {"repository": "net", "model": "small", "hyperparam_learning_rate": cell}
    taken = plan.deduplication.taken_combinations(
        plan.history_from_rows([row]), "net", "small", False, [parameter]
    )
    assert taken.keys() == {(0.07065596805028977,)}


def test_rows_of_foreign_tables_do_no_harm() -> None:
    rows: list[Any] = [
        {},
        {"repository": None, "model": "small"},
        {None: ["x"], "repository": "net", "model": "small", "hyperparam_kfold": "two"},
        {"repository": "net", "model": "small", "hyperparam_kfold": "2.5"},
        {"repository": "net", "model": "small", "hyperparam_kfold": " 2.0 "},
    ]
    of = made(mutation("kfold"), history=plan.history_from_rows(rows), use_deduplication=True)
    assert sorted(values(of, "kfold")) == [(4,), (5,)]
