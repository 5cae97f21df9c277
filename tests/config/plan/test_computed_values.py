"""Values that are computed, and constraints, in plans."""

from __future__ import annotations

import json
from typing import Any

import pytest

from energyctl.campaign.training.trial import values_of
from energyctl.config import plan, registry, settings
from energyctl.config.plan.random_values import ValueDrawer
from energyctl.config.registry import Hyperparameter
from energyctl.errors import SettingsError

NET: dict[str, Any] = {
    "path": "repos/net",
    "train_script": "train.py",
    "models": ["small"],
    "supported_hyperparams": {
        "min_rate": {"flag": "--min-lr", "type": "float", "value": "rate / 10"},
        "rate": {"flag": "--lr", "type": "float", "default": 0.1, "range": [0.01, 1.0]},
        "warmup": {"flag": "--wu", "type": "int", "default": 5, "range": [1, 100]},
        "iters": {"flag": "--it", "type": "int", "default": 50, "range": [1, 100]},
    },
}


def registered(**fields: Any) -> registry.Registry:
    return registry.parse({"models": {"net": {**NET, **fields}}}, "x")


def planned(known: registry.Registry, *experiments: dict[str, Any]) -> plan.Plan:
    data = {
        "experiment_name": "x",
        "experiments": [{"repo": "net", "model": "small", **one} for one in experiments],
    }
    document = settings.parse(json.dumps(data), "x.json")
    checked = settings.check(document)
    assert checked.settings is not None
    return plan.make(checked.settings, known, seed=7, document=document, problems=checked.problems)


def values(of: plan.Plan, name: str) -> list[Any]:
    return [run.foreground.hyperparameters[name] for run in of.runs]


def test_a_computed_value_follows_what_is_drawn_fixed_or_default() -> None:
    of = planned(
        registered(),
        {"mode": "mutation", "mutate": ["rate"], "runs_per_config": 3},
        {"mode": "default", "hyperparameters": {"rate": 0.5}},
        {"mode": "default"},
        {"mode": "default", "hyperparameters": {"min_rate": 0.3}},
        {"mode": "default", "hyperparameters": {"min_rate": "{rate} * 2 - 0.05", "rate": 1}},
    )
    assert of.problems == ()
    rates = values(of, "rate")
    assert values(of, "min_rate") == [*(rate / 10 for rate in rates[:5]), 0.3, 1.95]
    assert list(of.to_json()["runs"][0]["hyperparameters"]) == [
        "min_rate",
        "rate",
        "warmup",
        "iters",
    ]
    assert of.runs[0].mutated == ("rate",)


@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        ({"min_rate": "rte / 2"}, 'did you mean "rate"?'),
        ({"min_rate": "rate /"}, "cannot be read"),
        ({"min_rate": "3"}, "must be a number"),
        ({"warmup": "iters / 4"}, "is 12.5, and must be a whole number; write round(…)"),
        ({"warmup": "iters / 0"}, "divides by zero"),
        ({"rate": "min_rate * 10"}, "depends on itself: min_rate → rate → min_rate"),
    ],
)
def test_a_fixed_value_that_cannot_be_computed_is_invalid(
    fixed: dict[str, Any], message: str
) -> None:
    of = planned(registered(), {"mode": "default", "hyperparameters": fixed})
    assert of.runs == ()
    (problem,) = of.problems
    assert problem.where.startswith("experiments[0].hyperparameters")
    assert message in problem.sentence


def test_draws_keep_constraints_and_others_stay_as_they_are() -> None:
    draw = {"mode": "mutation", "mutate": ["warmup", "iters"], "runs_per_config": 40}
    free = planned(registered(), draw)
    kept = planned(registered(constraints=["{warmup} < iters"]), draw)
    assert len(kept.runs) == len(free.runs) == 40
    assert all(w < i for w, i in zip(values(kept, "warmup"), values(kept, "iters"), strict=True))
    pairs = [
        (one.foreground, other.foreground)
        for one, other in zip(free.runs, kept.runs, strict=True)
        if one.foreground.hyperparameters["warmup"] < one.foreground.hyperparameters["iters"]
    ]
    assert 5 < len(pairs) < 40
    assert all(one == other for one, other in pairs)


def test_a_constraint_holds_for_fixed_computed_and_background_values() -> None:
    known = registered(constraints=["warmup < iters", "min_rate < 0.05"])
    of = planned(
        known,
        {"mode": "default", "hyperparameters": {"warmup": 50}},
        {"mode": "default", "hyperparameters": {"rate": 0.6}},
        {
            "mode": "parallel",
            "foreground": {"repo": "net", "model": "small"},
            "background": {"repo": "net", "model": "small", "hyperparameters": {"iters": 2}},
        },
        {"mode": "default"},
    )
    assert [run.experiment for run in of.runs] == [3]
    assert [problem.message for problem in of.problems] == [
        'breaks the constraint "warmup < iters": warmup 50, iters 50',
        'breaks the constraint "min_rate < 0.05": min_rate 0.06',
        'breaks the constraint "warmup < iters": warmup 5, iters 2',
    ]


def test_what_can_hardly_be_drawn_is_said() -> None:
    known = registered(constraints=["rate <= 0.1"])
    draw = {"mode": "mutation", "mutate": ["warmup", "iters"], "hyperparameters": {"rate": 0.5}}
    none = planned(known, draw)
    assert none.runs == ()
    assert 'warmup, iters: 1000 draws gave no values that keep "rate <= 0.1"' in str(
        none.problems[0]
    )
    few = {"mode": "mutation", "mutate": ["warmup"], "runs_per_config": 9}
    some = planned(registered(constraints=["warmup > 97 or warmup == 5"]), few)
    assert sorted(values(some, "warmup")) == [98, 99, 100]
    (problem,) = some.problems
    assert problem.severity == "warning"
    assert "no further values" in problem.message
    assert "3 runs instead of 9" in problem.message


def test_rare_values_of_a_wide_range_are_given_up_after_the_limit() -> None:
    seen: list[dict[str, Any]] = []

    def allowed(drawn: dict[str, Any]) -> bool:
        seen.append(drawn)
        return False

    wide = Hyperparameter("x", None, "float", low=0.0, high=1.0)
    drawer = ValueDrawer([wide], seed=1, experiment=0, allowed=allowed)
    with pytest.raises(LookupError):
        drawer.next(1)
    assert 1000 <= len(seen) <= 1002


def test_a_trial_computes_values_and_keeps_constraints() -> None:
    known = registered(constraints=["warmup < iters"])
    assert values_of(known, "net", "small", {"rate": 1}).hyperparameters["min_rate"] == 0.1
    with pytest.raises(SettingsError, match="net: breaks the constraint"):
        values_of(known, "net", "small", {"warmup": 60})
