"""Trying one entry of a registry: names with slashes, and neighbours that are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import REGISTRY, Bench
from energyctl.config import registry
from energyctl.errors import SettingsError

FRONT = REGISTRY["models"]["front"]


def write_registry(bench: Bench, **entries: Any) -> None:
    text = json.dumps({"models": entries}, indent=1)
    (bench.root / "settings" / "models_config.json").write_text(text)


@pytest.mark.parametrize(
    ("training", "parts"),
    [
        ("front/small", ("front", "small")),
        ("front/meta/opt-125m", ("front", "meta/opt-125m")),
        ("org/front/small", ("org/front", "small")),
        ("org/front/meta/opt", ("org/front", "meta/opt")),
        ("front/nothing/here", ("front", "nothing/here")),
        ("org/front/none", ("org/front", "none")),
    ],
)
def test_the_registry_decides_where_a_name_is_split(
    tmp_path: Path, training: str, parts: tuple[str, str]
) -> None:
    models = {"models": ["small", "meta/opt-125m", "meta/opt"]}
    entries = {"front": {**FRONT, **models}, "org/front": {**FRONT, **models}}
    (tmp_path / "models.json").write_text(json.dumps({"models": entries}))
    entry, found, wrong = registry.read_entry(tmp_path / "models.json", training)
    assert (found, [*entry.repositories], wrong) == (parts, [parts[0]], [])


def test_a_name_of_no_repository_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text(json.dumps({"models": {"front": FRONT}}))
    for name in ("fro/small", "small", "/", ""):
        with pytest.raises(SettingsError, match="is not in the registry"):
            registry.read_entry(tmp_path / "models.json", name)


def test_a_model_with_a_slash_is_tried_and_run(bench: Bench) -> None:
    write_registry(bench, front={**FRONT, "models": ["meta/opt-125m"]})
    done = bench.run("models", "--test", "front/meta/opt-125m", "--set", "seconds=0.1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "-n meta/opt-125m --seconds 0.1" in done.stdout
    inline = ("--repo", "front", "--model", "meta/opt-125m", "--set", "seconds=0.2")
    (bench.root / "settings" / "x.json").unlink(missing_ok=True)
    drawn = ("--mutate", "learning_rate", "--runs", "1")
    done = bench.run("run", *inline, "--set", "behaviour=quiet", *drawn)
    assert done.returncode == 0, done.stderr
    (result,) = bench.results()
    assert result["mode"] == "mutation"
    values = result["foreground_result"]["hyperparameters"]
    assert 0.05 <= values.pop("learning_rate") <= 0.15
    assert values == {"seconds": 0.2, "behaviour": "quiet"}
    assert result["foreground_result"]["model"] == "meta/opt-125m"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("secnds=1", "front has no hyper-parameter 'secnds'"),
        ("seconds=long", "seconds must be a number, not 'long'"),
        ("seconds", "--set seconds: write NAME=VALUE"),
        ("behaviour=wild", 'behaviour must be one of its choices, "fails", "quiet"'),
    ],
)
def test_a_wrong_value_starts_nothing(bench: Bench, given: str, said: str) -> None:
    own = {**FRONT["supported_hyperparams"]}
    own["behaviour"] = {**own["behaviour"], "choices": ["fails", "quiet"]}
    write_registry(bench, front={**FRONT, "supported_hyperparams": own})
    for command in (("models", "--test", "front/small"), ("run", "--repo", "front", "--model",
                                                          "small")):  # fmt: skip
        done = bench.look(*command, "--set", given)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert bench.trials == []
    beside = bench.look("run", bench.parallel(), "--set", "seconds=1")
    assert (beside.returncode, "--set goes without a settings file" in beside.stderr) == (2, True)


def test_a_neighbour_that_is_wrong_is_no_obstacle(bench: Bench) -> None:
    write_registry(bench, broken={"models": []}, front=FRONT, odd=7)
    done = bench.run("models", "--test", "front/small", "--set", "seconds=0.1")
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()[:1]
    assert "errors in other entries: broken, odd; `energyctl validate` names them" in line
    assert bench.look("models").returncode == 2
    wrong = bench.look("models", "--test", "broken/small")
    assert wrong.returncode == 2
    assert "models.broken.models: must not be empty" in wrong.stderr
    assert "odd" not in wrong.stderr


def test_validate_looks_for_what_the_trainings_need(bench: Bench) -> None:
    write_registry(bench, front={**FRONT, "data": "sets"}, back=REGISTRY["models"]["back"],
                   unused={**FRONT, "path": "repos/unused"})  # fmt: skip
    (bench.root / "repos" / "back" / "train.sh").unlink()
    (bench.root / "repos" / "back").rmdir()
    name = bench.parallel()
    done = bench.look("validate", name)
    assert done.returncode == 2
    assert "back: its clone is missing; put it at" in done.stderr
    assert "front: its data is missing" in done.stderr
    assert "unused" not in done.stderr
    assert "1 run, 0 invalid experiments\n" in done.stdout
    static = bench.look("validate", "--static", name)
    assert (static.returncode, static.stderr) == (0, "")
    assert "; clones, interpreters and data were not looked for" in static.stdout
    assert bench.trials == []


def test_a_fixed_value_outside_its_choices_makes_the_experiment_invalid(bench: Bench) -> None:
    own = {**FRONT["supported_hyperparams"]}
    own["behaviour"] = {**own["behaviour"], "default": "plain", "choices": ["fails", "quiet"]}
    write_registry(bench, front={**FRONT, "supported_hyperparams": own})
    experiments = [
        {"repo": "front", "model": "small", "mode": "default", "hyperparameters": {"behaviour": v}}
        for v in ("quiet", "plain", "wild")
    ]
    done = bench.look("validate", bench.settings(experiments=experiments))
    assert done.returncode == 1
    assert "2 runs, 1 invalid experiment" in done.stdout
    (line,) = done.stderr.splitlines()
    assert "experiments[2].hyperparameters.behaviour: must be one of its choices" in line
    assert 'not "wild"' in line
