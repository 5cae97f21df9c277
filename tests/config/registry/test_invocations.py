"""How values, models and steps reach the programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from energyctl.config import plan, registry, settings
from energyctl.config.registry import Interpreter, Invocation, InvocationContext, Role
from energyctl.errors import SettingsError

# The same examples each time, however slow the machine.
REPEATABLE = examples(derandomize=True, deadline=None)
PYTHON = Interpreter("/env/bin/python", {"VIRTUAL_ENV": "/env"})


def repository(**fields: Any) -> registry.Repository:
    entry = {"path": "repos/net", "models": ["small"], **fields}
    return registry.parse({"models": {"net": entry}}, "x").repositories["net"]


def started(
    known: registry.Repository, model: str = "small", role: Role = "foreground", **values: Any
) -> tuple[Invocation, ...]:
    where = InvocationContext(Path("/lab"), PYTHON, role, Path("/lab/results/work_E"), "E")
    return registry.invocations(known, model, values, where)


STEPS: list[dict[str, Any]] = [
    {
        "name": "train",
        "command": ["{python}", "train.py", "--name", "{run_id}", "{args}", "{params}"],
        "timeout_seconds": 60,
        "values": {"checkpoint": "model/*.pth"},
    },
    {
        "name": "test",
        "command": ["{python}", "{repo}/test.py", "--from={checkpoint}", "--batch={batch}"],
        "roles": ["foreground"],
        "performance_metrics": {"log_patterns": {"map": "mAP:{number}"}, "required": ["map"]},
    },
]
PARAMETERS: dict[str, Any] = {
    "rate": {"flag": "--lr", "type": "float", "default": 0.1, "range": [0.05, 0.2]},
    "batch": {"flag": "--batchsize", "type": "int", "default": 8, "range": [4, 64]},
}
PER_MODEL = {
    "densenet": {
        "args": ["--use_dense"],
        "env": {"CACHE": "{data}/cache", "JSON": '{"a": {"b": 1}}', "RAW": "{{repo}}"},
        "defaults": {"rate": 0.02},
        "ranges": {"rate": [0.01, 0.03]},
    }
}
STEPPED = {
    "models": ["densenet", "pcb"],
    "steps": STEPS,
    "per_model": PER_MODEL,
    "supported_hyperparams": PARAMETERS,
    "data": "/srv/market",
    "workspace": {"kind": "links", "writes": ["model"]},
}


def test_steps_follow_each_other_and_hand_on_what_they_made() -> None:
    known = repository(**STEPPED)
    train, test = started(known, "densenet", rate=0.02, batch=16)
    assert train.argv == (
        *("/env/bin/python", "train.py", "--name", "E", "--use_dense"),
        *("--lr", "0.02", "--batchsize", "16"),
    )
    assert train.cwd == test.cwd == train.workdir == "/lab/results/work_E"
    assert [step.metered for step in known.steps] == [True, False]
    assert known.steps[0].timeout_seconds == 60
    assert registry.parts(test.argv[2]) == [("--from=", "checkpoint"), ("", None)]
    handed = test.handed({"checkpoint": "model/net 9.pth"}).argv
    assert handed[1:] == ("/lab/repos/net/test.py", "--from=model/net 9.pth", "--batch=16")
    assert [metric.name for metric in known.all_metrics if metric.required] == ["map"]


def test_a_background_runs_the_steps_of_its_role() -> None:
    (only,) = started(repository(**STEPPED), "pcb", "background", rate=0.1)
    assert only.step.name == "train"
    assert only.argv[-2:] == ("--lr", "0.1")


def test_a_repository_without_steps_is_one_step() -> None:
    known = repository(train_script="train.sh", accepted_exit_codes=[0, 1])
    (step,) = known.steps
    assert (step.name, step.metered, step.accepted_exit_codes) == ("train", True, (0, 1))
    assert known.workspace == "in_place"


def test_a_model_has_arguments_environment_defaults_and_ranges_of_its_own() -> None:
    known = repository(**STEPPED)
    dense, pcb = (known.parameters_of(model)["rate"] for model in ("densenet", "pcb"))
    assert (dense.default, dense.low, dense.high) == (0.02, 0.01, 0.03)
    assert (pcb.default, pcb.low, pcb.high) == (0.1, 0.05, 0.2)
    env = started(known, "densenet", batch=1)[0].env
    assert env["CACHE"] == "/srv/market/cache"
    assert env["JSON"] == '{"a": {"b": 1}}'
    assert env["RAW"] == "{repo}"
    assert "CACHE" not in started(known, "pcb", batch=1)[0].env


def test_a_script_gets_the_arguments_of_its_model_after_the_models_option() -> None:
    known = repository(
        train_script="train.py",
        model_flag="--arch=",
        required_args={"d": "-d x"},
        per_model={"small": {"args": ["--tiny", "a b"]}},
    )
    (made,) = started(known)
    script = "/lab/results/work_E/train.py"
    assert made.argv == ("/env/bin/python", script, "--arch=small", "--tiny", "a b", "-d", "x")


def test_in_an_empty_folder_the_script_is_that_of_the_clone() -> None:
    (made,) = started(repository(train_script="train.py", workspace="empty"))
    assert made.argv[1] == "/lab/repos/net/train.py"
    assert made.cwd == "/lab/results/work_E"


def test_the_environment_is_layered() -> None:
    known = repository(
        train_script="t.py",
        env={"A": "repo", "B": "repo", "C": "repo", "D": "repo", "PYTHONUNBUFFERED": ""},
        role_env={"background": {"B": "role", "C": "role", "D": "role"}},
        per_model={"small": {"env": {"C": "model", "D": "model"}}},
        supported_hyperparams={"d": {"env_var": "D", "type": "float"}},
    )
    (made,) = started(known, role="background", d=1e-05)
    assert [made.env[name] for name in "ABCD"] == ["repo", "role", "model", "1e-05"]
    assert made.env["PYTHONUNBUFFERED"] == ""
    assert made.env["PYTHONDONTWRITEBYTECODE"] == "1"
    assert made.env["VIRTUAL_ENV"] == "/env"
    assert [started(known)[0].env[name] for name in "ABCD"] == ["repo", "repo", "model", "model"]


def test_every_placeholder_has_its_meaning() -> None:
    names = ["python", "repo", "model", "workspace", "workdir", "run_id", "data", "role"]
    known = repository(command=[f"{{{name}}}" for name in names], data="sets/a")
    expected = ["/env/bin/python", "/lab/repos/net", "small", "/lab", "/lab/results/work_E", "E"]
    assert list(started(known)[0].argv) == [*expected, "/lab/sets/a", "foreground"]


WAYS: dict[str, dict[str, Any]] = {
    "flag": {"flag": "--x"},
    "joined": {"flag": "--x="},
    "template": {"template": ["--opt", "x={value}"]},
    "env_var": {"env_var": "X"},
    "position": {"position": 2},
    "placeholder": {},
    "flag_placed": {"flag": "--x"},
    "unsupported": {"unsupported": "no option for it"},
}
Value = st.one_of(
    st.tuples(st.just("int"), st.integers(-(2**70), 2**70)),
    st.tuples(st.just("float"), st.floats(allow_nan=False, allow_infinity=False)),
    st.tuples(st.just("str"), st.text(st.characters(codec="utf-8", exclude_characters="\0"))),
    st.tuples(st.just("bool"), st.booleans()),
)


def read_back(kind: str, text: str) -> Any:
    """A value as a program reads it."""
    if kind == "bool":
        return {"true": True, "false": False}[text]
    return {"int": int, "float": float, "str": str}[kind](text)


@REPEATABLE
@given(st.sampled_from(sorted(WAYS)), Value)
def test_every_value_reaches_the_program_once_by_the_way_asked_for(
    way: str, typed: tuple[str, Any]
) -> None:
    kind, value = typed
    switch = kind == "bool" and way in ("flag", "joined")
    fields = {"flag": "--x", "false_flag": "--no-x"} if switch else WAYS[way]
    placed = way in ("placeholder", "flag_placed")
    command = ["{python}", "{params}", *(["<{x}>"] if placed else []), "end"]
    bystanders = {"y": {"flag": "--y", "type": "int"}, "z": {"position": 1, "type": "int"}}
    parameters = {"x": {**fields, "type": kind}, **bystanders}
    known = repository(command=command, supported_hyperparams=parameters)
    (made,) = started(known, x=value, y=7, z=8)
    if switch:
        assert made.argv[1:] == ("--x" if value else "--no-x", "--y", "7", "8", "end")
    elif way == "flag":
        assert made.argv[1] == "--x"
        assert read_back(kind, made.argv[2]) == value
        assert made.argv[3:] == ("--y", "7", "8", "end")
    elif way == "joined":
        assert made.argv[1].startswith("--x=")
        assert read_back(kind, made.argv[1].removeprefix("--x=")) == value
        assert made.argv[2:] == ("--y", "7", "8", "end")
    elif way == "template":
        assert made.argv[1] == "--opt"
        assert read_back(kind, made.argv[2].removeprefix("x=")) == value
        assert made.argv[3:] == ("--y", "7", "8", "end")
    elif way == "position":
        assert made.argv[1:4] == ("--y", "7", "8")
        assert read_back(kind, made.argv[4]) == value
        assert made.argv[5:] == ("end",)
    elif placed:
        assert made.argv[1:4] == ("--y", "7", "8")
        assert read_back(kind, made.argv[4][1:-1]) == value
        assert made.argv[5:] == ("end",)
    else:
        assert made.argv[1:] == ("--y", "7", "8", "end")
    assert ("X" in made.env) == (way == "env_var")
    if way == "env_var":
        assert read_back(kind, made.env["X"]) == value


def planned(known: registry.Repository, **experiment: Any) -> plan.Plan:
    entry = {"repo": "net", "model": "small", "mode": "mutation", **experiment}
    text = json.dumps({"experiment_name": "x", "experiments": [entry]})
    document = settings.parse(text, "x.json")
    checked = settings.check(document)
    assert checked.settings is not None
    return plan.make(
        checked.settings, registry.Registry({"net": known}, {}), seed=1, document=document
    )


LIMITED = {
    "train_script": "t.py",
    "model_flag": "-m",
    "models": ["small", "large"],
    "per_model": {"small": {"defaults": {"rate": 0.5}, "ranges": {"rate": [0.4, 0.6]}}},
    "supported_hyperparams": {
        "rate": {"flag": "--lr", "type": "float", "default": 3, "range": [2, 4], "bounds": [0, 9]},
        "seed": {"unsupported": "fixed in its code", "type": "int", "default": 3, "range": [1, 9]},
    },
}


def test_a_plan_draws_from_the_models_own_range_and_takes_its_default() -> None:
    known = repository(**LIMITED)
    drawn = planned(known, mutate=["all"], runs_per_config=5)
    rates = [run.foreground.hyperparameters["rate"] for run in drawn.runs]
    assert len(rates) == 5
    assert all(0.4 <= rate <= 0.6 for rate in rates)
    (default,) = planned(known, mode="default").runs
    assert default.foreground.hyperparameters == {"rate": 0.5}
    (large,) = planned(known, model="large", mode="default").runs
    assert large.foreground.hyperparameters == {"rate": 3.0}


def test_an_unsupported_parameter_is_refused_in_mutate_and_not_passed_when_fixed() -> None:
    known = repository(**LIMITED)
    refused = planned(known, mutate=["seed"])
    assert refused.runs == ()
    assert "fixed in its code" in str(refused.problems[0])
    warned = planned(known, mode="default", hyperparameters={"seed": 4})
    (problem,) = warned.problems
    assert (problem.severity, problem.where) == ("warning", "experiments[0].hyperparameters.seed")
    assert "fixed in its code" in problem.message
    assert warned.runs[0].foreground.hyperparameters == {"rate": 0.5}
    assert {run.mutated for run in planned(known, mutate=["all"]).runs} == {("rate",)}


@pytest.mark.parametrize(("value", "message"), [(-1, "at least 0"), (9.5, "at most 9")])
def test_a_value_outside_the_bounds_is_invalid(value: float, message: str) -> None:
    made = planned(repository(**LIMITED), mode="default", hyperparameters={"rate": value})
    assert made.runs == ()
    assert message in made.problems[0].message


def test_a_value_inside_the_bounds_may_lie_outside_the_range() -> None:
    made = planned(repository(**LIMITED), mode="default", hyperparameters={"rate": 9})
    assert made.runs[0].foreground.hyperparameters == {"rate": 9.0}


def test_a_command_without_a_value_for_its_placeholder_is_refused() -> None:
    known = repository(command=["{x}"], supported_hyperparams={"x": {"type": "int"}})
    with pytest.raises(SettingsError, match=r"needs \{x\}, which has no value"):
        started(known)


def test_what_one_model_cannot_take_is_not_passed_to_it() -> None:
    own = {"large": {"unsupported": {"batch": "it is fixed in its code"}}}
    known = repository(
        models=["small", "large"],
        command=["{python}", "train.py", "{model}", "{params}"],
        supported_hyperparams=PARAMETERS,
        per_model=own,
    )
    for model, passed in (("small", True), ("large", False)):
        (invoked,) = started(known, model, rate=0.1, batch=16)
        assert ("--batchsize" in invoked.argv) is passed
        assert known.parameters_of(model)["batch"].can_be_mutated is passed
    assert known.parameters_of("large")["batch"].unsupported == "it is fixed in its code"
