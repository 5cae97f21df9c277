"""Places in a settings file: where they may stand, and what is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from energyctl.config import settings
from energyctl.config.places import Place

NET: dict[str, Any] = {"repo": "net", "model": "small"}
JOB: dict[str, Any] = {"repo": "load", "model": "cpu"}
FIRST, SECOND = {"gpus": [0], "cpus": "0-3"}, {"gpus": [1]}


def check(experiment: dict[str, Any]) -> settings.CheckedSettings:
    data = {"experiment_name": "x", "experiments": [experiment]}
    return settings.check(settings.parse(json.dumps(data, indent=1), "x.json"))


def parallel(foreground: dict[str, Any], background: Any, **more: Any) -> dict[str, Any]:
    return {"mode": "parallel", "foreground": foreground, "background": background, **more}


def the_only(experiment: dict[str, Any]) -> settings.Experiment:
    checked = check(experiment)
    assert not checked.problems
    assert checked.settings is not None
    (found,) = checked.settings.experiments
    return found


def test_each_role_and_each_copy_has_its_place() -> None:
    jobs = [{**JOB, "copies": 2, "place": [FIRST, SECOND]}, {**JOB, "place": SECOND}]
    found = the_only(parallel({**NET, "place": FIRST}, jobs))
    assert found.measured.place == Place(gpus=(0,), cpus="0-3")
    assert found.background[0].place == (Place(gpus=(0,), cpus="0-3"), Place(gpus=(1,)))
    assert found.background[1].place == Place(gpus=(1,))


def test_an_experiment_of_one_training_has_its_place_beside_it() -> None:
    assert the_only({**NET, "mode": "default", "place": SECOND}).measured.place == Place(gpus=(1,))
    found = the_only(parallel(NET, JOB, place=SECOND))
    assert found.measured.place == Place(gpus=(1,))
    assert found.background[0].place is None


@pytest.mark.parametrize(
    ("experiment", "where", "message"),
    [
        (parallel({**NET, "place": [FIRST]}, JOB), "foreground.place", "must be an object"),
        (parallel({**NET, "place": {"gpus": 1}}, JOB), "foreground.place.gpus", "must be a list"),
        (parallel({**NET, "place": {"gpus": [-1]}}, JOB), "foreground.place.gpus[0]", "an index"),
        (parallel({**NET, "place": {"cpus": "7-0"}}, JOB), "foreground.place.cpus", "no range"),
        (parallel({**NET, "place": {"cpus": 3}}, JOB), "foreground.place.cpus", '"0-7,16"'),
        (parallel({**NET, "place": {"gpu": [1]}}, JOB), "foreground.place.gpu", 'write "gpus"'),
        (parallel({**NET, "places": FIRST}, JOB), "foreground.places", 'write "place"'),
        (parallel(NET, {**JOB, "place": {"cpu": "1"}}), "background.place.cpu", 'write "cpus"'),
        (
            parallel(NET, [{**JOB, "copies": 2, "place": [FIRST, {"gpu": [1]}]}]),
            "background[0].place[1].gpu",
            'write "gpus"',
        ),
        (
            parallel(NET, {**JOB, "copies": 3, "place": [FIRST, SECOND]}),
            "background.place",
            'holds 2 places, but "copies" is 3',
        ),
        (
            parallel(NET, {**JOB, "place": [FIRST, SECOND]}),
            "background.place",
            'holds 2 places, but "copies" is 1',
        ),
        (parallel(NET, {**JOB, "place": []}), "background.place", "must not be empty"),
        ({**NET, "mode": "default", "place": {"cpus": ""}}, "place.cpus", "in the form"),
    ],
)
def test_a_wrong_place_leaves_its_experiment_out(
    experiment: dict[str, Any], where: str, message: str
) -> None:
    checked = check(experiment)
    assert checked.settings is not None
    assert checked.settings.experiments == ()
    texts = {p.where: f"{p.message}; {p.suggestion}" for p in checked.problems}
    assert message in texts[f"experiments[0].{where}"]
