from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from energyctl.config import registry
from energyctl.errors import SettingsError

# The same examples each time, however slow the machine.
REPEATABLE = examples(derandomize=True, deadline=None)
ROOT = Path(__file__).parents[3]
SAMPLES = Path(__file__).parents[2] / "samples"
KNOWN = registry.read(SAMPLES / "registry.json")
NET, LOAD = KNOWN.repositories["net"], KNOWN.repositories["load"]


def start(repository: registry.Repository, model: str, **values: Any) -> registry.Invocation:
    where = registry.InvocationContext(
        Path("/srv/my lab"), registry.Interpreter("/usr/bin/python3")
    )
    (made,) = registry.invocations(repository, model, values, where)
    return made


def found(repository: registry.Repository, *pieces: str) -> dict[str, float]:
    """The metrics in an output."""
    return registry.read_metrics(repository.all_metrics, pieces).values


def changed(*path: str, **fields: Any) -> dict[str, Any]:
    """The sample registry with some fields set at one place; None removes a field."""
    data: dict[str, Any] = json.loads((SAMPLES / "registry.json").read_text("utf-8"))
    inner = data
    for name in path:
        inner = inner[name]
    inner.update(fields)
    for name in [name for name, value in fields.items() if value is None]:
        del inner[name]
    return data


def test_the_registry_is_typed() -> None:
    assert list(KNOWN.repositories) == ["net", "load"]
    rate = NET.hyperparameters["learning_rate"]
    assert (rate.low, rate.high, rate.distribution) == (0.05, 0.15, "log_uniform")
    assert NET.hyperparameters["dropout"].zero_probability == 0.25
    assert NET.hyperparameters["optimizer"].choices == ("sgd", "adam", "lamb")
    assert NET.hyperparameters["tag"].default is None
    assert [metric.name for metric in NET.metrics if metric.required] == ["accuracy"]
    assert NET.typical_seconds == {"small": 60.0}
    assert KNOWN.raw["models"].keys() == {"net", "load"}


def test_a_script_gets_model_then_required_then_hyperparameters_in_order() -> None:
    made = start(NET, "small", tag="a b", learning_rate=5.12e-06, epochs=3, mixed=True)
    assert made.argv == (
        "/srv/my lab/repos/net/train.sh",
        *("-n", "small"),
        *("-d", "my data"),
        *("-e", "3"),
        *("--lr", "5.12e-06"),
        "--mixed",
        *("--tag", "a b"),
    )
    assert made.cwd == "/srv/my lab/repos/net"


def test_a_false_flag_is_left_out() -> None:
    assert "--mixed" not in start(NET, "small", mixed=False).argv


def test_a_command_is_filled_in() -> None:
    made = start(LOAD, "cpu", threads=2, eager=True)
    assert made.argv == (
        "/usr/bin/python3",
        "/srv/my lab/repos/load/work.py",
        "--model=cpu",
        "--threads=2",
        "--eager",
        "--note",
        "{x}",
    )


def test_a_placeholder_of_its_own_is_not_repeated_by_params() -> None:
    data = changed("models", "load", command=["x", "{threads}/{model}", "{params}"])
    made = start(registry.parse(data, "x").repositories["load"], "cpu", threads=2, eager=True)
    assert made.argv == ("x", "2/cpu", "--eager")


def test_a_placeholder_without_a_value_is_refused() -> None:
    data = changed("models", "load", command=["x", "{threads}", "{params}"])
    with pytest.raises(SettingsError, match=r"needs \{threads\}, which has no value"):
        start(registry.parse(data, "x").repositories["load"], "cpu")


@pytest.mark.parametrize(
    ("script", "interpreter", "program"),
    [
        ("train.py", None, ["/usr/bin/python3", "/srv/my lab/repos/net/train.py"]),
        ("train.py", "python3.9", ["python3.9", "/srv/my lab/repos/net/train.py"]),
        ("train.sh", "bash", ["bash", "/srv/my lab/repos/net/train.sh"]),
        ("train.sh", "conda:torch", ["/srv/my lab/repos/net/train.sh"]),
        ("/opt/train", None, ["/opt/train"]),
    ],
)
def test_scripts_are_started_through_their_interpreter(
    script: str, interpreter: str | None, program: list[str]
) -> None:
    data = changed("models", "net", train_script=script)
    data["models"]["net"]["interpreter"] = interpreter
    net = registry.parse(data, "x").repositories["net"]
    found = registry.Interpreter(interpreter or "/usr/bin/python3")
    if interpreter == "conda:torch":
        found = registry.Interpreter("/conda/bin/python", {"CONDA_PREFIX": "/conda"})
    (made,) = registry.invocations(
        net, "small", {}, registry.InvocationContext(Path("/srv/my lab"), found)
    )
    assert list(made.argv[: len(program)]) == program


def test_output_is_unbuffered_unless_the_registry_says_otherwise() -> None:
    data = changed("models", "net", env={"PYTHONUNBUFFERED": "", "A": "1"}, cwd="src")
    made = start(registry.parse(data, "x").repositories["net"], "small")
    assert made.env == {"PYTHONUNBUFFERED": "", "PYTHONDONTWRITEBYTECODE": "1", "A": "1"}
    assert made.cwd == "/srv/my lab/repos/net/src"
    assert start(NET, "small").env["PYTHONUNBUFFERED"] == "1"


def test_what_the_repository_does_not_have_is_refused() -> None:
    with pytest.raises(SettingsError, match="no model 'tiny'"):
        start(NET, "tiny")
    with pytest.raises(SettingsError, match="no hyper-parameter 'momentum'"):
        start(NET, "small", momentum=0.9)


@REPEATABLE
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_reach_the_command_in_full_precision(value: float) -> None:
    argv = start(NET, "small", learning_rate=value).argv
    assert float(argv[argv.index("--lr") + 1]) == value


@REPEATABLE
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_strings_reach_the_command_as_one_argument(value: str) -> None:
    argv = start(NET, "small", tag=value).argv
    assert argv[argv.index("--tag") + 1] == value


HYPER = ("models", "net", "supported_hyperparams")
PATTERNS = ("models", "net", "performance_metrics")


@pytest.mark.parametrize(
    ("data", "where", "message"),
    [
        ({}, "models", "is missing"),
        ({"models": []}, "models", "must be an object, not a list"),
        ({"models": {"a": 3}}, "models.a", "must be an object, not 3"),
        ({"models": {"a\nb": {"models": ["x"]}}}, r'models["a\nb"]', "must be one line"),
        (changed("models", "net", train_script=None), "models.net", 'needs either "train_script"'),
        (changed("models", "net", command=["x"]), "models.net", 'needs either "train_script"'),
        (changed("models", "net", path=3), "models.net.path", "must be a string, not 3"),
        (changed("models", "net", path="a\0"), "models.net.path", "NUL"),
        (changed("models", "net", models=[]), "models.net.models", "must not be empty"),
        (changed("models", "net", models=["a", "a"]), "models.net.models", "more than once"),
        (changed("models", "net", models=["small", 1]), "models.net.models[1]", "not 1"),
        (changed("models", "net", model_flag=None), "models.net", 'add "model_flag"'),
        (changed("models", "net", required_args={"d": "'"}), "models.net.required_args.d", "split"),
        (changed("models", "net", env={"A=B": "1"}), "models.net.env.A=B", "no name"),
        (
            changed("models", "net", train_script=None, train_scrip="x"),
            "models.net.train_scrip",
            'write "train_script"',
        ),
        (
            changed("models", "net", duration_seconds={"smal": 1}),
            "models.net.duration_seconds.smal",
            'write "small"',
        ),
        (
            changed("models", "net", duration_seconds=0),
            "models.net.duration_seconds",
            "more than 0",
        ),
        (changed(*HYPER, "epochs", range=[15, 5]), "epochs.range", "starts above its end"),
        (changed(*HYPER, "epochs", range=[1, 2.5]), "epochs.range[1]", "whole number"),
        (changed(*HYPER, "epochs", range=[1]), "epochs.range[1]", "is missing"),
        (changed(*HYPER, "epochs", default="3"), "epochs.default", "must be a whole number"),
        (changed(*HYPER, "epochs", default=True), "epochs.default", "not true"),
        (changed(*HYPER, "epochs", flag=None), "epochs", '"flag" is missing'),
        (
            changed(*HYPER, "epochs", type="number"),
            "epochs.type",
            '"int", "float", "str" or "bool"',
        ),
        (changed(*HYPER, "epochs", rnage=[1, 2], range=None), "epochs.rnage", 'write "range"'),
        (changed(*HYPER, "epochs", distribution="normal"), "epochs.distribution", '"log_uniform"'),
        (changed(*HYPER, "epochs", zero_probability=2), "epochs.zero_probability", "at most 1"),
        (changed(*HYPER, "epochs", choices=[1]), "epochs.range", 'stands beside "choices"'),
        (changed(*HYPER, "learning_rate", range=[0, 1]), "learning_rate.range", "above 0"),
        (changed(*HYPER, "mixed", range=[0, 1]), "mixed.range", "no meaning for type bool"),
        (changed(*HYPER, "mixed", flag="--m="), "mixed.flag", "passed alone"),
        (changed(*HYPER, "optimizer", choices=["a", 1]), "optimizer.choices[1]", "a string"),
        (changed(*HYPER, "optimizer", zero_probability=0.5), "zero_probability", "no meaning"),
        (changed(*PATTERNS, log_patterns={"a": "("}), "log_patterns.a", "no regular expression"),
        (changed(*PATTERNS, log_patterns={"a": "x"}), "log_patterns.a", "has no group"),
        (changed(*PATTERNS, required=["acuracy"]), "required[0]", 'write "accuracy"'),
        (changed("models", "load", command=["{pyton}"]), "command[0]", "{python}"),
        (changed("models", "load", command=["{params}x"]), "command[0]", "element of its own"),
        (changed("models", "load", command=["{"]), "command[0]", "literal braces"),
        (changed("models", "load", command=["{model!r}"]), "command[0]", "literal braces"),
        (changed("models", "load", command=["x"]), "threads", "never reaches the command"),
        (changed("models", "load", models=["a", "b"], command=["{params}"]), "command", "{model}"),
        (changed("models", "load", model_flag="-n"), "models.load.model_flag", "has no effect"),
    ],
)
def test_a_wrong_registry_says_where_and_why(data: Any, where: str, message: str) -> None:
    problems = registry.problems(data)
    assert any(
        problem.where.endswith(where) and message in f"{problem.message}; {problem.suggestion}"
        for problem in problems
    ), problems
    with pytest.raises(SettingsError) as caught:
        registry.parse(data, "models.json")
    assert all(line.startswith("models.json: ") for line in str(caught.value).splitlines())


def test_all_problems_of_a_registry_are_reported_with_their_lines(tmp_path: Path) -> None:
    data = changed(*HYPER, "epochs", default="3", flag=None)
    data["models"]["load"]["command"] = []
    file = tmp_path / "models.json"
    file.write_text(json.dumps(data, indent=1))
    with pytest.raises(SettingsError) as caught:
        registry.read(file)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert all(f"{file}: line " in line for line in lines)


def test_free_text_in_a_registry_is_kept_and_ignored() -> None:
    data = changed("models", "net", comment="a", note="b", _path="c", maintainer="d")
    assert registry.problems(data) == ()
    assert registry.parse(data, "x").raw["models"]["net"]["maintainer"] == "d"


def test_the_shipped_registry_is_valid() -> None:
    shipped = registry.read(ROOT / "settings" / "models_config.json")
    assert {"pytorch_resnet_cifar10", "VulBERTa", "Person_reID_baseline_pytorch", "examples"} <= (
        shipped.repositories.keys()
    )


def test_metrics_are_the_last_match_whatever_colours_and_progress_lines_do() -> None:
    text = (SAMPLES / "training.log").read_bytes().decode()
    metrics = found(NET, text)
    assert list(metrics) == ["accuracy", "loss", "map"]
    assert (metrics["accuracy"], metrics["loss"]) == (0.925, 1.2e-05)
    assert math.isnan(metrics["map"])


def test_a_metric_that_is_not_found_is_left_out() -> None:
    assert found(NET, "nothing") == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("mAP: 0.5", 0.5),
        ("mAP: .5.", 0.5),
        ("mAP: 97%", 97.0),
        ("mAP: -1.5E+3 x", -1500.0),
        ("mAP: +2.", 2.0),
        ("mAP: -inf", -math.inf),
        ("mAP: Infinity", math.inf),
        ("mAP:\n  0.25", 0.25),
        ("mAP: 1\nmAP: nanometers", 1.0),
        ("mAP: 1\nmAP: info", 1.0),
    ],
)
def test_numbers_are_read_in_any_notation(text: str, value: float) -> None:
    assert found(NET, text)["map"] == value


@REPEATABLE
@given(st.floats(allow_nan=False))
def test_whatever_python_prints_is_read_back(value: float) -> None:
    assert found(NET, f"mAP: {value!r} of all") == {"map": value}


@pytest.mark.parametrize(
    "group",
    [
        *(r"([0-9.]+)", r"([\d.]+)", r"([0-9\.]+)", r"(\d+\.\d+)", r"(\d+\.?\d*)", r"(\d+)"),
        *(r"(-?[0-9.]+)", r"([-+]?\d+\.\d+)", r"([0-9.eE+-]+)", r"(?P<x>[0-9.]+)"),
        *(r"([0-9]+\.[0-9]+)", r"([0-9]*\.?[0-9]+)", r"([-0-9.e]+)", r"(\d+(?:\.\d+)?)"),
    ],
)
def test_groups_that_users_write_for_numbers_read_every_notation(group: str) -> None:
    data = changed(*PATTERNS, log_patterns={"loss": rf"loss\s*=\s*{group}"}, required=None)
    repository = registry.parse(data, "x").repositories["net"]
    for text, value in (("1.2e-05", 1.2e-05), ("-0.5", -0.5), ("3", 3.0)):
        assert found(repository, f"loss = {text} ") == {"loss": value}


def test_other_groups_are_left_as_they_are() -> None:
    data = changed(*PATTERNS, log_patterns={"a": r"\([0-9.]+\) (\S+)"}, required=None)
    repository = registry.parse(data, "x").repositories["net"]
    assert found(repository, "(1.5) 7\n(2.5) seven") == {"a": 7.0}


def test_long_output_is_read_in_pieces_without_losing_a_match() -> None:
    filler = ["x" * 99 + "\n"] * 12_000
    lines = ["mAP: 0.1\n", *filler, "Accuracy:\n", "0.75\n", *filler, "final loss: 3"]
    assert found(NET, *lines) == {"accuracy": 0.75, "loss": 3.0, "map": 0.1}


def test_a_match_across_the_edge_of_two_pieces_is_found() -> None:
    size = 1 << 20
    lines = ["x" * (size - 10) + "\n", "mAP:   \n", "0.5\n"]
    assert found(NET, *lines) == {"map": 0.5}
