from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from energyctl.config import node_meters, registry, settings
from energyctl.results import json_schema

ROOT = Path(__file__).parents[3]
JOB = {"repo": "load", "model": "cpu"}
NET: dict[str, Any] = {"repo": "net", "model": "small"}
PARALLEL: dict[str, Any] = {
    "mode": "parallel",
    "repo": "placeholder",
    "model": "placeholder",
    "foreground": {**NET, "mode": "mutation", "mutate": ["learning_rate"]},
    "background": JOB,
}


def check(*experiments: Any, **top: Any) -> settings.CheckedSettings:
    data = {"experiment_name": "x", **top, "experiments": list(experiments)}
    return settings.check(settings.parse(json.dumps(data, indent=1), "x.json"))


def found(checked: settings.CheckedSettings, severity: str) -> list[tuple[str, str]]:
    """Place and text, with the suggestion, of all problems of a severity."""
    return [
        (problem.where, f"{problem.message}; {problem.suggestion}")
        for problem in checked.problems
        if problem.severity == severity
    ]


def valid(*experiments: Any, **top: Any) -> settings.Settings:
    checked = check(*experiments, **top)
    assert not checked.problems
    assert checked.settings is not None
    return checked.settings


def without(data: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in names}


def test_parallel_experiment_structure() -> None:
    (experiment,) = valid(
        {
            **PARALLEL,
            "description": "both",
            "foreground": {
                **NET,
                "mode": "mutation",
                "mutate": ["learning_rate"],
                "hyperparameters": {"epochs": 3},
                "timeout_seconds": 60,
            },
            "background": [JOB, {**JOB, "copies": 2, "stagger_seconds": 1}],
        },
        runs_per_config=4,
    ).experiments
    assert experiment.mode == "parallel"
    assert experiment.runs_per_config == 4
    assert experiment.description == "both"
    foreground = experiment.foreground
    assert foreground is not None
    assert (foreground.repo, foreground.model, foreground.mode) == ("net", "small", "mutation")
    assert foreground.mutate == ("learning_rate",)
    assert foreground.hyperparameters == {"epochs": 3}
    assert foreground.timeout_seconds == 60
    assert [job.copies for job in experiment.background] == [1, 2]
    assert experiment.background[1].stagger_seconds == 1


def test_one_background_object_is_a_list_of_one() -> None:
    (experiment,) = valid(PARALLEL).experiments
    assert [job.model for job in experiment.background] == ["cpu"]


@pytest.mark.parametrize(
    ("experiment", "where", "message"),
    [
        (without(PARALLEL, "foreground"), "", "needs a foreground"),
        (without(PARALLEL, "background"), "", "needs a background"),
        ({**PARALLEL, "background": []}, "background", "must not be empty"),
        ({**PARALLEL, "background": "cpu"}, "background", 'must be an object, not "cpu"'),
        ({**PARALLEL, "background": {"repo": "load"}}, "background.model", "is missing"),
        ({**PARALLEL, "background": [JOB, {}]}, "background[1].repo", "is missing"),
        ({**PARALLEL, "background": {**JOB, "copies": 0}}, "background.copies", "at least 1"),
        ({**PARALLEL, "background": {**JOB, "copies": True}}, "background.copies", "not true"),
        ({**PARALLEL, "background": {**JOB, "repository": "a"}}, "background.repository", '"repo"'),
        ({**PARALLEL, "foreground": {"repo": "net"}}, "foreground", '"model" is missing'),
        ({**PARALLEL, "foreground": {**NET, "mode": "mutation"}}, "foreground", 'needs "mutate"'),
        (
            {**PARALLEL, "foreground": {**NET, "mode": "parallel"}},
            "foreground.mode",
            'must be "mutation", "default" or "grid", not "parallel"',
        ),
        (
            {**PARALLEL, "foreground": {**NET, "timeout": 5}},
            "foreground.timeout",
            'write "timeout_seconds"',
        ),
        (
            {**PARALLEL, "foreground": {**NET, "timeout_seconds": 0}},
            "foreground.timeout_seconds",
            "must be more than 0, not 0",
        ),
        ({**PARALLEL, "mode": "mutation"}, "foreground", 'write "mode": "parallel"'),
        ({**PARALLEL, "mode": "default"}, "background", 'write "mode": "parallel"'),
    ],
)
def test_parallel_config_validation(experiment: dict[str, Any], where: str, message: str) -> None:
    checked = check(experiment, {**NET, "mode": "default"})
    place = f"experiments[0].{where}" if where else "experiments[0]"
    texts = [text for at, text in found(checked, "invalid") if at == place]
    assert any(message in text for text in texts), checked.problems
    assert checked.settings is not None
    assert [valid.number for valid in checked.settings.experiments] == [1]


SINGLE = {**NET, "mode": "default"}


@pytest.mark.parametrize(
    ("experiment", "where", "message"),
    [
        (5, "", "must be an object, not 5"),
        ({"mode": "default"}, "", '"repo" is missing'),
        ({**SINGLE, "mode": "mutation"}, "", 'mode "mutation" needs "mutate"'),
        ({**NET}, "", 'mode "mutation" needs "mutate"'),
        ({**NET, "mutate": []}, "", 'mode "mutation" needs "mutate"'),
        (
            {**SINGLE, "mode": "mixed"},
            "mode",
            'must be "parallel", "mutation", "default" or "grid"',
        ),
        ({**SINGLE, "mode": "nonparallel"}, "mode", 'write "mutation"'),
        ({**SINGLE, "mode": "paralel"}, "mode", 'write "parallel"'),
        ({**SINGLE, "mode": 3}, "mode", "not 3"),
        ({**NET, "mutate": "learning_rate"}, "mutate", 'write ["learning_rate"]'),
        ({**NET, "mutate": ["a", 1]}, "mutate[1]", "must be a string, not 1"),
        ({**SINGLE, "runs_per_config": "2"}, "runs_per_config", "write 2 without quotes"),
        ({**SINGLE, "runs_per_config": 2.0}, "runs_per_config", "write 2"),
        ({**SINGLE, "runs_per_config": True}, "runs_per_config", "whole number, not true"),
        ({**SINGLE, "runs_per_config": 0}, "runs_per_config", "at least 1, not 0"),
        ({**SINGLE, "hyperparameters": [1]}, "hyperparameters", "must be an object, not a list"),
        ({**SINGLE, "hyperparameters": {"a": None}}, "hyperparameters.a", "not null"),
        ({**SINGLE, "hyperparameters": {"a": "\0"}}, "hyperparameters.a", "NUL"),
        ({**SINGLE, "model": "\ud800"}, "model", "surrogate"),
        ({**SINGLE, "model": "a\nb"}, "model", "one line"),
        ({**SINGLE, "repo": " "}, "repo", "must not be empty"),
        ({**SINGLE, "repository": "net"}, "repository", 'write "repo"'),
        ({**SINGLE, "mutate_params": ["a"]}, "mutate_params", 'write "mutate"'),
        ({**SINGLE, "mutation_type": "x"}, "mutation_type", 'write "mode"'),
        ({**SINGLE, "experiment_type": "x"}, "experiment_type", 'write "mode"'),
        ({**SINGLE, "num_mutations": 2}, "num_mutations", 'write "runs_per_config"'),
        ({**SINGLE, "fixed_hyperparams": {}}, "fixed_hyperparams", 'write "hyperparameters"'),
        ({**SINGLE, "hyperparams": {}}, "hyperparams", 'write "hyperparameters"'),
        ({**SINGLE, "runs_per_confg": 2}, "runs_per_confg", 'write "runs_per_config"'),
        ({**SINGLE, "forground": {}}, "forground", 'write "foreground"'),
    ],
)
def test_a_wrong_experiment_is_left_out_and_says_why(
    experiment: Any, where: str, message: str
) -> None:
    checked = check(SINGLE, experiment)
    place = f"experiments[1].{where}" if where else "experiments[1]"
    texts = [text for at, text in found(checked, "invalid") if at == place]
    assert any(message in text for text in texts), checked.problems
    assert not any("\n" in str(problem) for problem in checked.problems)
    assert checked.settings is not None
    assert [valid.number for valid in checked.settings.experiments] == [0]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("seed", -1, "at least 0"),
        ("seed", "7", "write 7 without quotes"),
        ("seed", True, "must be a whole number, not true"),
        ("governor", 5, '"ondemand", "conservative" or "schedutil", not 5'),
        ("governor", "", 'must be "performance", "powersave", "userspace"'),
        ("governor", "turbo", 'must be "performance", "powersave", "userspace"'),
        ("governor", "perfomance", 'not "perfomance"; write "performance"'),
        ("mode", ["parallel"], "must be a string, not a list"),
        ("max_retries", -1, "at least 0"),
        ("max_retrys", 3, 'write "max_retries"'),
        ("runs_per_config", 0, "at least 1"),
        ("sample_interval_seconds", 0.01, "at least 0.05"),
        ("sample_interval_seconds", 61, "at most 60"),
        ("cooldown_seconds", "60", "write 60 without quotes"),
        ("cooldown_seconds", -1, "at least 0"),
        ("idle_seconds", None, "must be a number, not null"),
        ("gpus", [0, True], "index from 0 or a UUID, not true"),
        ("gpus", [-1], "index from 0"),
        ("gpus", 0, "must be a list, not 0"),
        ("gpu", [0], 'write "gpus"'),
        ("leave_out", "dram-0", "must be a list"),
        ("require", ["cpu", "ram"], '"cpu", "dram" or "gpu", not "ram"'),
        ("min_coverage", 1.5, "at most 1"),
        ("settle", {"on_timeout": "stop"}, '"warn" or "fail", not "stop"'),
        ("settle", {"timeout": 3}, 'write "timeout_seconds"'),
        ("settle", 3, "must be an object, not 3"),
        ("keep_logs", "none", 'must be "all", not "none"'),
        ("keep_logs", 3, "must be an object, not 3"),
        ("keep_logs", {"last": -1}, "at least 0"),
        ("keep_logs", {"first": 1.5}, "must be a whole number"),
        ("keep_logs", {"mebibytes": 0}, "at least 1"),
        ("keep_logs", {"lasts": 3}, 'write "last"'),
        ("use_deduplication", "yes", "must be true or false"),
        ("historical_csvs", "a.csv", 'write ["a.csv"]'),
        ("experiment_name", 3, "must be a string, not 3"),
        ("mutation_type", "parallel", 'write "mode"'),
    ],
)
def test_a_wrong_field_of_the_file_is_an_error(field: str, value: Any, message: str) -> None:
    checked = check(SINGLE, **{field: value})
    assert checked.settings is None
    errors = found(checked, "error")
    assert len(errors) == 1
    assert errors[0][0].startswith(field)
    assert message in errors[0][1]


@pytest.mark.parametrize(("on_timeout", "severity"), [("warn", "warning"), ("fail", "error")])
def test_a_load_that_could_never_be_found_steady_is_named(on_timeout: str, severity: str) -> None:
    settle = {"seconds": 10, "timeout_seconds": 10, "on_timeout": on_timeout}
    ((where, message),) = found(check(SINGLE, settle=settle), severity)
    assert where == "settle.timeout_seconds"
    assert "never can be" in message


def test_everything_wrong_is_reported_at_once_in_the_order_of_the_file() -> None:
    checked = check({**SINGLE, "mode": "x", "runs_per_config": 0, "repository": "a"}, 5, seed=-1)
    places = [problem.where for problem in checked.problems]
    assert places == [
        "seed",
        "experiments[0].mode",
        "experiments[0].runs_per_config",
        "experiments[0].repository",
        "experiments[1]",
    ]
    lines = [problem.line or 0 for problem in checked.problems]
    assert lines == sorted(lines)
    assert len(set(lines)) == len(lines)
    assert [problem.experiment for problem in checked.problems] == [None, 0, 0, 0, 1]


def test_defaults_are_those_of_the_contract() -> None:
    made = valid(SINGLE)
    assert made.mode == "mutation"
    assert (made.runs_per_config, made.max_retries, made.seed) == (1, 2, None)
    assert made.sample_interval_seconds == 1.0
    assert (made.cooldown_seconds, made.cooldown_until_celsius) == (60.0, None)
    assert made.idle_seconds == 10.0
    assert (made.gpus, made.require, made.min_coverage) == (None, (), None)
    assert (made.settle.timeout_seconds, made.settle.seconds) == (300, 10)
    assert (made.settle.min_gpu_utilization, made.settle.on_timeout) == (None, "warn")
    assert (made.use_deduplication, made.historical_csvs) == (False, ())
    assert made.kept_logs == "5,20,50,256"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("all", "all"),
        ({}, "5,20,50,256"),
        ({"last": 0}, "5,0,50,256"),
        ({"first": 1, "failed": 2, "mebibytes": 3}, "1,20,2,3"),
    ],
)
def test_kept_logs_are_named_as_the_launcher_takes_them(given: Any, kept: str) -> None:
    assert valid(SINGLE, keep_logs=given).kept_logs == kept


def test_the_names_of_kept_logs_are_free_text_elsewhere() -> None:
    assert not check({**SINGLE, "first": 1, "failed": "never"}, last="x").problems


def test_the_file_name_stands_in_for_a_missing_name() -> None:
    text = json.dumps({"experiments": [SINGLE]})
    checked = settings.check(settings.parse(text, "some/stage7.json"))
    assert checked.settings is not None
    assert checked.settings.experiment_name == "stage7"
    assert [problem.severity for problem in checked.problems] == ["warning"]


@pytest.mark.parametrize(
    ("above", "foreground", "runs"),
    [
        ({"runs_per_config": 5}, {"runs_per_config": 3}, 5),
        ({}, {"runs_per_config": 3}, 3),
        ({}, {}, 2),
    ],
)
def test_runs_of_experiment_win_over_foreground_over_file(
    above: dict[str, Any], foreground: dict[str, Any], runs: int
) -> None:
    made = valid({**PARALLEL, **above, "foreground": {**NET, **foreground}}, runs_per_config=2)
    assert made.experiments[0].runs_per_config == runs


def test_a_foreground_takes_from_its_experiment_what_it_leaves_out() -> None:
    inherited = {"mutate": ["epochs"], "hyperparameters": {"seed": 3}, "timeout_seconds": 9}
    (experiment,) = valid({**PARALLEL, **NET, **inherited, "foreground": {}}).experiments
    assert experiment.foreground == settings.ForegroundSpec(
        "net", "small", "mutation", ("epochs",), {"seed": 3}, 9
    )


def test_a_foreground_without_a_mode_mutates_only_what_it_names() -> None:
    (experiment,) = valid({**PARALLEL, "foreground": NET}).experiments
    assert experiment.measured.mode == "default"


def test_what_the_foreground_overrides_is_a_warning() -> None:
    checked = check({**PARALLEL, "mutate": ["epochs"]})
    assert found(checked, "warning") == [
        ("experiments[0].mutate", "is not used: the foreground has its own; None")
    ]


def test_mutate_in_mode_default_is_a_warning_and_mutates_nothing() -> None:
    checked = check({**SINGLE, "mutate": ["epochs"]})
    assert [place for place, _ in found(checked, "warning")] == ["experiments[0].mutate"]
    assert checked.settings is not None
    assert checked.settings.experiments[0].measured.mutate == ()


def test_entries_of_free_text_are_separators() -> None:
    made = valid({"comment": "=== part 2 ==="}, {}, SINGLE, {"total_experiments": 4, "_x": 1})
    assert made.separators == 3
    assert [experiment.number for experiment in made.experiments] == [2]


def test_a_separator_with_an_old_name_is_an_invalid_experiment() -> None:
    checked = check({"comment": "a", "mutate_params": ["b"]})
    assert checked.settings is not None
    assert checked.settings.separators == 0
    assert found(checked, "invalid")


def test_an_unknown_mode_of_the_file_spoils_only_experiments_without_their_own() -> None:
    checked = check(SINGLE, NET, mode="mixed")
    assert checked.settings is not None
    assert [experiment.number for experiment in checked.settings.experiments] == [0]
    assert [place for place, _ in found(checked, "warning")] == ["mode"]
    assert [place for place, _ in found(checked, "invalid")] == ["experiments[1]"]


@pytest.mark.parametrize(
    "free",
    [
        {"note": "x", "notes": ["a"], "comment": 1, "description": "d", "_mode": "x"},
        {"estimated_duration_hours": 3, "estimated_experiments": 2, "expected_experiments": 2},
        {"baseline_runs": 0, "experiment_id": 1, "session_name": "a", "mutation_note": "b"},
        {"version": "4.7", "created": "today", "target_completion": {}, "$schema": "x"},
        {"base_results_dir": "r", "mutation_strategy": {}, "deduplication": {}, "rationale": ""},
        {"creation_date": "x", "cleanup_gpu_memory": True, "validation_note": "x"},
    ],
)
def test_other_names_are_free_text(free: dict[str, Any]) -> None:
    made = valid({**SINGLE, **free}, {**PARALLEL, "foreground": {**NET, **free}}, **free)
    assert len(made.experiments) == 2


def test_a_field_in_the_wrong_place_is_a_warning() -> None:
    checked = check({**SINGLE, "seed": 3}, foreground=NET)
    assert found(checked, "warning") == [
        ("foreground", "has no effect here; it is a field of an experiment"),
        ("experiments[0].seed", "has no effect here; it is a field of the file itself"),
    ]


def test_the_mode_of_a_background_is_no_mistake() -> None:
    valid({**PARALLEL, "background": {**JOB, "mode": "default"}})


@pytest.mark.parametrize(
    ("text", "severity", "where"),
    [
        ('{"experiments": [], "seed": 1, "seed": 2}', "error", "seed"),
        ('{"experiments": [], "experiments": [1]}', "error", "experiments"),
        ('{"experiments": [], "settle": {"seconds": 1, "seconds": 2}}', "error", "settle.seconds"),
        ('{"experiments": [], "keep_logs": {"last": 1, "last": 2}}', "error", "keep_logs.last"),
        (
            '{"experiments": [{"mutate": ["a"], "mutate": ["b"]}]}',
            "invalid",
            "experiments[0].mutate",
        ),
        (
            '{"experiments": [{"hyperparameters": {"a": 1, "a": 2}}]}',
            "invalid",
            "experiments[0].hyperparameters.a",
        ),
        ('{"experiments": [], "seed": 1, "seed": 1}', "", ""),
        ('{"experiments": [{"comment": "a", "comment": "b"}]}', "", ""),
        ('{"experiments": [], "notes": {"seed": 1, "seed": 2}}', "", ""),
    ],
)
def test_a_repeated_field_counts_only_where_it_acts(text: str, severity: str, where: str) -> None:
    problems = settings.check(settings.parse(text, "x.json")).problems
    repeated = [problem for problem in problems if "more than once" in problem.message]
    assert [(problem.severity, problem.where) for problem in repeated] == (
        [(severity, where)] if where else []
    )


@pytest.mark.parametrize("name", ["parallel_example", "parallel_densenet_reid"])
def test_the_shipped_examples_are_without_a_problem(name: str) -> None:
    checked = settings.check(settings.read(ROOT / "settings" / f"{name}.json"))
    assert not checked.problems
    assert checked.settings is not None
    assert checked.settings.governor == "performance"
    assert checked.settings.experiments[0].foreground is not None


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("settings", settings.schema),
        ("models_config", registry.schema),
        ("results", json_schema.schema),
        ("meters", node_meters.schema),
    ],
)
def test_the_shipped_schemas_are_up_to_date(name: str, schema: Any) -> None:
    file = ROOT / "settings" / f"{name}.schema.json"
    made = json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
    assert json.loads(file.read_text("utf-8")) == json.loads(made), (
        f"write what `energyctl schema` prints of it to {file}"
    )


def test_the_schema_describes_every_field() -> None:
    schema = settings.schema()
    levels = [schema, *schema["$defs"].values()]
    fields = {name: field for level in levels for name, field in level["properties"].items()}
    assert {"settle", "min_coverage", "copies", "mutate", "timeout_seconds"} <= fields.keys()
    assert schema["$defs"]["ExperimentFields"]["properties"]["mutate_params"]["not"] == {}
