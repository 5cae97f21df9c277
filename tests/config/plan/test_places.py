"""Places in a plan: those of the settings, else those of the registry, and their JSON."""

from __future__ import annotations

import json
from typing import Any

from energyctl.config import plan, registry, settings
from energyctl.config.places import Place

ENTRY: dict[str, Any] = {
    "train_script": "t.py",
    "models": ["m"],
    "place": {"foreground": {"gpus": [0], "cpus": "0-3"}, "background": {"gpus": [1]}},
}


def planned(foreground: dict[str, Any], background: dict[str, Any], **entry: Any) -> plan.Run:
    data = {
        "experiment_name": "x",
        "experiments": [
            {
                "mode": "parallel",
                "foreground": {"repo": "r", "model": "m", **foreground},
                "background": {"repo": "r", "model": "m", **background},
            }
        ],
    }
    document = settings.parse(json.dumps(data), "x.json")
    checked = settings.check(document).settings
    assert checked is not None
    known = registry.parse({"models": {"r": {**ENTRY, **entry}}}, "registry")
    made = plan.make(checked, known, seed=1, document=document)
    assert not made.problems
    (run,) = made.runs
    return run


def test_the_registry_places_each_role() -> None:
    run = planned({}, {"copies": 2})
    assert run.place == Place(gpus=(0,), cpus="0-3")
    assert run.places == (run.place, Place(gpus=(1,)), Place(gpus=(1,)))


def test_the_settings_win_key_by_key() -> None:
    run = planned({"place": {"gpus": [2]}}, {"place": {"cpus": "8"}})
    assert run.place == Place(gpus=(2,), cpus="0-3")
    assert run.background[0].place(0) == Place(gpus=(1,), cpus="8")


def test_copies_have_a_place_each() -> None:
    places = [{"gpus": [1]}, {"gpus": ["GPU-2"]}]
    run = planned({}, {"copies": 2, "place": places})
    assert run.to_json()["background"][0]["place"] == places
    assert plan.Run.from_json(json.loads(json.dumps(run.to_json()))) == run


def test_one_place_of_all_copies_is_one_in_json() -> None:
    run = planned({}, {"copies": 2})
    data = run.to_json()
    assert data["place"] == {"gpus": [0], "cpus": "0-3"}
    assert data["background"][0]["place"] == {"gpus": [1]}
    assert plan.Run.from_json(data) == run


def test_runs_without_places_are_as_before() -> None:
    run = planned({}, {"copies": 2}, place={})
    data = run.to_json()
    assert "place" not in data
    assert "place" not in data["background"][0]
    assert plan.Run.from_json(data) == run
    assert run.places == (Place(),) * 3


def test_a_place_beside_a_container_is_refused() -> None:
    entry = {**ENTRY, "container": {"image": "torch"}}
    data = {
        "experiment_name": "x",
        "experiments": [{"mode": "default", "repo": "r", "model": "m"}],
    }
    document = settings.parse(json.dumps(data), "x.json")
    checked = settings.check(document).settings
    assert checked is not None
    known = registry.parse({"models": {"r": entry}}, "registry")
    made = plan.make(checked, known, seed=1, document=document)
    assert made.runs == ()
    (problem,) = made.problems
    assert problem.where.endswith("experiments[0].place")
    assert problem.message == "does not reach into the container of r"
