"""Trainings that the registry sends to a GPU which is not metered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from bench import Bench
from energyctl.campaign.training.unmetered import problems, unmetered
from energyctl.config.jsonfile import reader
from energyctl.config.plan import BackgroundJob, Run, Training
from energyctl.config.registry import parse

FRONT = "the foreground front / small sees GPU"
BACK = "the background back / large sees GPU"
VISIBLE = "CUDA_VISIBLE_DEVICES"


@pytest.mark.parametrize(
    ("shown", "metered", "lost"),
    [
        (["1"], ["0"], ["1"]),
        (["0", "1"], ["1"], ["0"]),
        (["0"], ["0", "1"], []),
        (["01"], ["1"], []),
        (["1"], [], ["1"]),
        (["GPU-8f4c"], ["GPU-8f4c2b1e"], []),
        (["GPU-8f4c2b1e"], ["GPU-8f4c", "GPU-1"], []),
        (["GPU-2"], ["GPU-8f4c2b1e"], ["GPU-2"]),
        (["GPU-2"], ["0"], []),  # it may be that one
        (["1"], ["GPU-8f4c2b1e", "0"], []),
        (["MIG-2"], ["GPU-8f4c2b1e"], []),
    ],
)
def test_an_entry_that_names_none_of_the_metered_gpus(
    shown: list[str], metered: list[str], lost: list[str]
) -> None:
    assert unmetered(shown, metered) == lost


PARAMETER = {"env_var": VISIBLE, "type": "int", "default": 1}
RUN = Run(
    index=1,
    experiment=4,
    repetition=1,
    mode="parallel",
    foreground=Training("front", "small", {"gpu": 1}),
    background=(BackgroundJob(Training("back", "large", {}), copies=2),),
)


def warned(
    front: dict[str, Any], gpus: Sequence[int | str] | None, shell: str | None = None
) -> list[str]:
    """Messages where the registry's entry of the foreground has these keys, too."""
    entry: dict[str, Any] = {
        "path": "repos/x",
        "train_script": "train.py",
        "models": ["small", "large"],
        "model_flag": "-m",
    }
    front = {"supported_hyperparams": {"gpu": {"flag": "--gpu", "type": "int"}}, **front}
    registry = parse({"models": {"front": {**entry, **front}, "back": entry}}, "the registry")
    environ = {} if shell is None else {VISIBLE: shell}
    document = reader.parse('{"experiments": []}', "the settings")
    found = problems([RUN, RUN], registry, gpus, environ, document)
    assert all((p.severity, p.experiment) == ("warning", 4) for p in found)
    return [problem.message for problem in found]


@pytest.mark.parametrize(
    ("front", "sees"),
    [
        ({"env": {VISIBLE: "1"}}, "1"),
        ({"env": {VISIBLE: "0"}, "role_env": {"foreground": {VISIBLE: "0,2"}}}, "2"),
        ({"env": {VISIBLE: "0"}, "per_model": {"small": {"env": {VISIBLE: "3"}}}}, "3"),
        ({"supported_hyperparams": {"gpu": PARAMETER}}, "1"),
        ({"env": {VISIBLE: "0"}, "role_env": {"background": {VISIBLE: "1"}}}, None),
        ({"per_model": {"large": {"env": {VISIBLE: "3"}}}}, None),
        ({"env": {VISIBLE: ""}}, None),
        ({"env": {VISIBLE: "-1,1"}}, None),
        ({}, None),
    ],
)
def test_a_training_that_the_registry_sends_to_another_gpu_is_warned_of(
    front: dict[str, Any], sees: str | None
) -> None:
    lines = warned(front, [0])
    assert len(lines) == (sees is not None)
    if sees is not None:
        assert lines[0].startswith(f"{FRONT} {sees} ({VISIBLE}=")
        assert lines[0].endswith("but the metered GPUs are 0: its energy there is in no figure")


def test_what_the_shell_shows_is_metered_and_used_where_nothing_else_is_said() -> None:
    front = {"env": {VISIBLE: "1"}}
    assert warned(front, None) == []  # all are metered
    assert warned(front, None, "0,1") == []
    (line,) = warned(front, None, "0")
    assert line.startswith(f"{FRONT} 1 ({VISIBLE}=1), but the metered GPUs are 0")
    assert f"{FRONT} 1" in warned(front, None, "")[0]
    assert "but the metered GPUs are none" in warned(front, None, "")[0]
    assert [line.partition(" (")[0] for line in warned({}, [1], "0")] == [f"{BACK} 0", f"{FRONT} 0"]
    assert [line.partition(" (")[0] for line in warned({"env": {VISIBLE: ""}}, [1], "0")] == [
        f"{BACK} 0"
    ]
    assert warned(front, [], "0") == []  # none is asked for


def test_every_command_that_plans_says_it(bench: Bench) -> None:
    path = bench.root / "settings" / "models_config.json"
    registry = json.loads(path.read_text())
    registry["models"]["front"]["env"] = {VISIBLE: "1"}
    path.write_text(json.dumps(registry))
    done = bench.look("validate", bench.parallel(gpus=[0]))
    assert done.returncode == 0
    assert f":1: warning: experiments[0]: {FRONT} 1 ({VISIBLE}=1)" in done.stderr
