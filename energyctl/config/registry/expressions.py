"""Arithmetic and conditions over hyper-parameters: ``learning_rate / 10``, ``warmup < epochs``.

Only what is listed here is evaluated; names stand bare or, as any placeholder, in braces.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_LONGEST = 500
"""Characters."""

_MOST_BITS = 4096
"""Of a whole number: a power may have millions, and take minutes."""

_ARITHMETIC: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
_COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "round": round}
_BRACED = re.compile(r"\{\s*([^{}]+?)\s*\}")
_PRIVATE = re.compile(r"_braced_(\d+)")


class ExpressionError(Exception):
    """One line: why an expression cannot be read, or has no value."""


@dataclass(frozen=True)
class Expression:
    """text: as written. names: the hyper-parameters in it, each once, in their order."""

    text: str
    names: tuple[str, ...]
    _tree: ast.expr = field(compare=False, repr=False)

    def value(self, values: Mapping[str, Any]) -> Any:
        """Its value with those of its names. Raises ExpressionError."""
        try:
            return _value(self._tree, values)
        except ZeroDivisionError:
            raise ExpressionError("it divides by zero") from None
        except OverflowError:
            raise ExpressionError("it becomes too large") from None
        except (TypeError, ValueError):
            raise ExpressionError("it has no value with these types") from None


def arithmetic(text: str) -> Expression:
    """Numbers, names, ``+ - * / // % **``, parentheses, min, max and round. Raises
    ExpressionError."""
    return _parsed(text, conditions=False)


def condition(text: str) -> Expression:
    """The same with comparisons, and, or, not, strings, True and False. Raises ExpressionError."""
    expression = _parsed(text, conditions=True)
    if not _is_condition(expression._tree):
        raise ExpressionError('compares nothing; write a condition, as "warmup < epochs"')
    return expression


def _parsed(text: str, *, conditions: bool) -> Expression:
    if len(text) > _LONGEST:
        raise ExpressionError(f"is longer than {_LONGEST} characters")
    braced: list[str] = []

    def bare(found: re.Match[str]) -> str:
        braced.append(found[1])
        return f" _braced_{len(braced) - 1} "

    try:
        tree = ast.parse(_BRACED.sub(bare, text).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ExpressionError("cannot be read; write it as learning_rate / 10") from None
    names: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            private = _PRIVATE.fullmatch(node.id)
            node.id = braced[int(private[1])] if private else node.id
    _check(tree, names, conditions)
    return Expression(text, tuple(names), tree)


def _check(node: ast.expr, names: dict[str, None], conditions: bool) -> None:
    """Refuses all that is not listed above, and collects the names."""
    parts: list[ast.expr] = []
    match node:
        case ast.Name(id=name):
            names[name] = None
            return
        case ast.Constant(value=bool() | str()) if conditions:
            return
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            if isinstance(value, int) or math.isfinite(value):
                return
        case ast.BinOp(left, operation, right) if type(operation) in _ARITHMETIC:
            parts = [left, right]
        case ast.UnaryOp(operation, operand) if type(operation) in _ARITHMETIC:
            parts = [operand]
        case ast.Call(ast.Name(name), arguments, []) if name in _FUNCTIONS and arguments:
            parts = arguments
        case ast.Compare(left, operations, others) if conditions:
            if all(type(operation) in _COMPARISONS for operation in operations):
                parts = [left, *others]
        case ast.BoolOp(_, values) if conditions:
            parts = values
        case ast.UnaryOp(ast.Not(), operand) if conditions:
            parts = [operand]
    if not parts:
        more = ", comparisons, and, or, not" if conditions else ""
        raise ExpressionError(
            f"holds {ast.unparse(node)!r}; there are numbers, names, + - * / // % **, parentheses, "
            f"min, max, round{more}"
        )
    for part in parts:
        _check(part, names, conditions)


def _is_condition(node: ast.expr) -> bool:
    match node:
        case ast.BoolOp(_, values):
            return all(_is_condition(value) for value in values)
        case ast.UnaryOp(ast.Not(), operand):
            return _is_condition(operand)
    return isinstance(node, ast.Compare)


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Name(id=name):
            return values[name]
        case ast.Constant(value=value):
            return value
        case ast.BoolOp(ast.And(), parts):
            return all(_value(part, values) for part in parts)
        case ast.BoolOp(ast.Or(), parts):
            return any(_value(part, values) for part in parts)
        case ast.UnaryOp(ast.Not(), operand):
            return not _value(operand, values)
        case ast.Compare(left, operations, others):
            numbers = [_value(part, values) for part in (left, *others)]
            pairs = zip(operations, numbers, numbers[1:], strict=False)
            return all(_COMPARISONS[type(sign)](one, other) for sign, one, other in pairs)
        case ast.BinOp(left, operation, right):
            one, other = _number(_value(left, values)), _number(_value(right, values))
            if isinstance(operation, ast.Pow):
                _check_power(one, other)
            return _number(_ARITHMETIC[type(operation)](one, other))
        case ast.UnaryOp(operation, operand):
            return _number(_ARITHMETIC[type(operation)](_number(_value(operand, values))))
        case ast.Call(ast.Name(name), arguments):
            given = [_number(_value(part, values)) for part in arguments]
            if name == "round" and len(given) > 1 and not abs(given[1]) <= _MOST_BITS:
                raise OverflowError
            return _number(_FUNCTIONS[name](*given))
    raise AssertionError(node)


def _check_power(base: float, exponent: float) -> None:
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and abs(base) > 1 and exponent * int(base).bit_length() > _MOST_BITS:
        raise OverflowError


def _number(value: Any) -> int | float:
    """A real number of a size that can be worked with."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    if isinstance(value, int):
        if value.bit_length() > _MOST_BITS:
            raise OverflowError
    elif not math.isfinite(value):
        raise OverflowError
    return value
