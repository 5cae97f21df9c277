"""Values that are computed from others, and what they may be computed with."""

from __future__ import annotations

from typing import Any

import pytest

from energyctl.config import registry
from energyctl.config.registry.expressions import ExpressionError, arithmetic, condition
from energyctl.config.registry.model import Hyperparameter
from energyctl.config.registry.values import MissingValue, broken, complete

VALUES = {"rate": 0.1, "epochs": 30, "batch": 8, "max-iter": 7, "tag": "a", "amp": True}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rate / 10", 0.01),
        ("{rate} / 10", 0.01),
        ("{ max-iter } // 2 + {epochs}", 33),
        ("-(epochs - 1) % 4 ** 2", 3),
        ("min(epochs, batch * 4, 100)", 30),
        ("max(rate, 1e-3)", 0.1),
        ("round(epochs * 0.05)", 2),
        ("round(rate / 3, 2)", 0.03),
        ("+2 ** -1", 0.5),
    ],
)
def test_arithmetic_is_computed(text: str, value: float) -> None:
    assert arithmetic(text).value(VALUES) == value


def test_names_are_told_in_their_order_and_once() -> None:
    assert arithmetic("b + {a} * b + min(c, 1)").names == ("b", "a", "c")


@pytest.mark.parametrize(
    "text",
    [
        *("__import__('os')", "rate.real", "[rate]", "rate if epochs else 1", "(lambda: 1)()"),
        *("rate < 1", "'a' + 'b'", "True + 1", "f'{rate}'", "rate @ 2", "1 << 9", "~epochs"),
        *("min()", "min(*[1])", "round(rate, ndigits=1)", "1j", "1e999", "(x := 3)"),
        *("rate /", "", "a b", "(" * 300, "-" * 400 + "(", "1" * 600, "rate\0", "{}"),
    ],
)
def test_all_else_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        arithmetic(text).value(VALUES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rate / (epochs - 30)", "divides by zero"),
        ("epochs % 0", "divides by zero"),
        ("9 ** 9 ** 9", "too large"),
        ("2.0 ** 5000", "too large"),
        ("0 ** -1", "divides by zero"),
        ("1e308 * 10", "too large"),
        ("(-8) ** 0.5", "no value with these types"),
        ("round(epochs, 99999999999)", "too large"),
        ("round(epochs, -99999999999)", "too large"),
        ("tag * 1000", "no value with these types"),
        ("amp + 1", "no value with these types"),
        ("min(epochs)", "no value with these types"),
    ],
)
def test_what_has_no_value_is_one_line(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        arithmetic(text).value(VALUES)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("epochs < 31", True),
        ("{batch} <= {epochs} < 30", False),
        ("tag == 'a' or rate > 1", True),
        ("not (amp == True and batch >= 8)", False),
        ("rate != 0.1", False),
        ("batch * 4 > epochs", True),
    ],
)
def test_conditions_are_decided(text: str, kept: bool) -> None:
    assert condition(text).value(VALUES) is kept


@pytest.mark.parametrize(
    "text", ["epochs", "epochs + 1", "not epochs", "epochs and 1 < 2", "x in y"]
)
def test_what_compares_nothing_is_no_condition(text: str) -> None:
    with pytest.raises(ExpressionError):
        condition(text)


def parameter(name: str, **fields: Any) -> Hyperparameter:
    return Hyperparameter(name, None, **{"type": "float", **fields})


def test_values_are_computed_in_whatever_order_and_typed() -> None:
    parameters = {
        "third": parameter("third", type="int", value=arithmetic("{second} * 20")),
        "second": parameter("second", value=arithmetic("first / 4")),
        "first": parameter("first", type="int", default=2),
        "none": parameter("none"),
    }
    values = complete(parameters, {})
    assert values == {"third": 10, "second": 0.5, "first": 2}
    assert list(values) == ["third", "second", "first"]
    assert type(values["third"]) is int
    assert complete(parameters, {"first": 4, "second": 3.0})["third"] == 60
    assert complete(parameters, {"first": arithmetic("2 + second"), "second": 1.0})["first"] == 3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"value": arithmetic("b / 0")}, "a = b / 0 cannot be computed: it divides by zero"),
        (
            {"value": arithmetic("b / 4"), "type": "int"},
            "a = b / 4 is 0.5, and must be a whole num",
        ),
        ({"value": arithmetic("b"), "greatest": 1}, "a = b is 2, and must be at most 1"),
        ({"value": arithmetic("a + b")}, "depends on itself: a → a"),
        ({"value": arithmetic("c")}, "depends on itself: a → c → a"),
    ],
)
def test_what_cannot_be_computed_is_named(fields: dict[str, Any], message: str) -> None:
    parameters = {
        "a": parameter("a", **fields),
        "b": parameter("b", type="int", default=2),
        "c": parameter("c", value=arithmetic("a")),
    }
    with pytest.raises(ExpressionError) as caught:
        complete(parameters, {})
    assert str(caught.value).startswith(message)


def test_a_value_without_its_operand_is_missing() -> None:
    parameters = {"a": parameter("a", value=arithmetic("b")), "b": parameter("b")}
    with pytest.raises(MissingValue, match="needs a value of b; give it one"):
        complete(parameters, {})
    parameters["b"] = parameter("b", default=1.0, unsupported="fixed")
    with pytest.raises(MissingValue, match="needs a value of b"):
        complete(parameters, {})


def test_a_constraint_says_which_values_break_it() -> None:
    constraints = [condition("a < b"), condition("a < c")]
    assert broken(constraints, {"a": 1, "b": 2}) is None
    assert (
        broken(constraints, {"a": 1, "b": 2, "c": 0}) == 'breaks the constraint "a < c": a 1, c 0'
    )
    with pytest.raises(ExpressionError, match="a < b cannot be decided"):
        broken(constraints, {"a": 1, "b": "x"})


def entry(parameters: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "models": {
            "net": {
                "path": "repos/net",
                "train_script": "train.py",
                "models": ["small"],
                "supported_hyperparams": {
                    "rate": {"flag": "--lr", "type": "float", "default": 0.1},
                    "warmup": {"flag": "--wu", "type": "int", "default": 5},
                    "tag": {"flag": "--tag", "type": "str", "default": "x"},
                    **parameters,
                },
                **fields,
            }
        }
    }


LOW = {"flag": "--low", "type": "float"}
CASES: list[tuple[dict[str, Any], str, str]] = [
    (entry({"low": {**LOW, "value": "rte / 10"}}), "low.value", 'write "rate"'),
    (entry({"low": {**LOW, "value": "tag / 10"}}), "low.value", "of type str"),
    (entry({"low": {**LOW, "value": "rate /"}}), "low.value", "cannot be read"),
    (entry({"low": {**LOW, "value": "rate < 1"}}), "low.value", "there are numbers, names"),
    (entry({"low": {**LOW, "value": "rate", "default": 1}}), "low.value", 'beside "default"'),
    (entry({"low": {**LOW, "value": "rate", "range": [0, 1]}}), "low.value", 'beside "range"'),
    (entry({"low": {**LOW, "type": "str", "value": "rate"}}), "low.value", "for type str"),
    (entry({"low": {**LOW, "value": 3}}), "low.value", "must be a string"),
    (entry({"low": {**LOW, "value": "low"}}), "supported_hyperparams", "low → low"),
    (
        entry({"low": {**LOW, "value": "high"}, "high": {**LOW, "value": "low"}}),
        "supported_hyperparams",
        "low → high → low",
    ),
    (
        entry({"low": {**LOW, "value": "1 / (warmup - 5)"}}),
        "supported_hyperparams",
        "with the defaults, low = 1 / (warmup - 5) cannot be computed: it divides by zero",
    ),
    (entry({}, constraints=["warmup < 5"]), "constraints[0]", "warmup 5"),
    (entry({}, constraints=["warmp < 5"]), "constraints[0]", 'write "warmup"'),
    (entry({}, constraints=["warmup"]), "constraints[0]", "compares nothing"),
    (entry({}, constraints=["tag < 5"]), "constraints[0]", "cannot be decided"),
    (entry({}, constraint=["warmup < 9"]), "net.constraint", 'write "constraints"'),
    (
        entry({}, constraints=["warmup < 9"], per_model={"small": {"defaults": {"warmup": 9}}}),
        "constraints[0]",
        "warmup 9",
    ),
    (
        entry({"low": {**LOW, "value": "rate"}}, per_model={"small": {"defaults": {"low": 1}}}),
        "defaults.low",
        "computed from others",
    ),
]


@pytest.mark.parametrize(("data", "place", "message"), CASES)
def test_a_wrong_expression_is_found_where_it_stands(
    data: dict[str, Any], place: str, message: str
) -> None:
    (problem,) = registry.problems(data)
    assert problem.where.endswith(place)
    assert message in f"{problem.message}; {problem.suggestion}"


def test_a_value_of_what_the_settings_may_give_is_fine() -> None:
    given = {"decay": {"flag": "--wd", "type": "float"}, "low": {**LOW, "value": "decay / 2"}}
    assert registry.problems(entry(given, constraints=["decay < rate"])) == ()
