"""Runs chosen cells of a Jupyter notebook as one plain process, with values of its code replaced.

It stands alone: only the standard library (Python 3.8 or newer), so that the interpreter of a
repository runs it without energyctl installed. A kernel would live in a session of its own, and
would have to be started and awaited; here the training is the process itself. The notebook is not
changed. What cannot be done is said before the first cell runs.
"""

from __future__ import annotations

import argparse
import ast
import json
import linecache
import os
import re
import sys
import traceback
import types

REFUSED = 2
_CHANGE = re.compile(r"(?:(\d+):)?([^\W\d]\w*(?:\.[^\W\d]\w*)*)=(.*)", re.DOTALL)
# Magics that only change how Jupyter shows things; all others change what a cell does.
_SHOWING = re.compile(r"%%(?:capture|time)\b.*|%(?:matplotlib|config|time)\b[^\n]*")


class NotebookError(Exception):
    """One line for the user: what is wrong, and what to do."""


class ValueChange:
    """One ``--set``: NAME=VALUE of an assignment, CALLEE.KEYWORD=VALUE of a call.

    text: as given. cell: the only cell where it is looked for; None: all. hits: how many
    places it changed.
    """

    def __init__(self, text: str) -> None:
        match = _CHANGE.fullmatch(text)
        if match is None:
            raise NotebookError(f"--set {text}: write NAME=VALUE, CALLEE.KEYWORD=VALUE or CELL:…")
        self.text = text
        self.cell = None if match[1] is None else int(match[1])
        target: str = match[2]
        self.callee, _, self.name = target.rpartition(".")
        self.value = value_of(match[3])
        self.hits = 0

    def node(self, at: ast.AST) -> ast.expr:
        """The value as an expression that stands where *at* stood."""
        made = ast.copy_location(ast.Constant(self.value), at)
        self.hits += 1
        return made


def value_of(text: str) -> bool | int | float | str | None:
    """JSON, or a Python literal; any other text is itself."""
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, SyntaxError):
            continue
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise NotebookError(
            f"--set …={text}: the value must be a number, true, false, none or a text"
        )
    return text


class ValueReplacer(ast.NodeTransformer):
    """Puts the values of changes into the code of one cell."""

    def __init__(self, changes: list[ValueChange]) -> None:
        self.names = [change for change in changes if not change.callee]
        self.keywords = [change for change in changes if change.callee]
        self.depth = 0

    def _inside(self, node: ast.AST) -> ast.AST:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = _inside

    def _assigned(self, node: ast.Assign | ast.AnnAssign, targets: list[ast.expr]) -> ast.AST:
        self.generic_visit(node)
        names = {target.id for target in targets if isinstance(target, ast.Name)}
        for change in self.names:
            if not self.depth and change.name in names and len(targets) == 1:
                node.value = change.node(node.value or node)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        return self._assigned(node, node.targets)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        return self._assigned(node, [node.target])

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        for change in self.keywords:
            if _dotted(node.func) == change.callee:
                kept = [keyword for keyword in node.keywords if keyword.arg != change.name]
                made = ast.keyword(arg=change.name, value=change.node(node.func))
                node.keywords = [*kept, ast.copy_location(made, node.func)]
        return node


def _dotted(node: ast.expr) -> str | None:
    """``a.b.c`` of an expression that is such a name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return None if before is None else f"{before}.{node.attr}"
    return None


def read(path: str) -> list[tuple[str, str]]:
    """The cells of a notebook in their order: type and source."""
    try:
        with open(path, encoding="utf-8") as file:
            notebook = json.load(file)
    except OSError as error:
        raise NotebookError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise NotebookError(f"{path} is not a notebook: {error}") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise NotebookError(
            f"{path} is not a notebook of format 4; `jupyter nbconvert` brings it there"
        )
    language = notebook.get("metadata", {}).get("language_info", {}).get("name", "python")
    if language != "python":
        raise NotebookError(f"{path} is a notebook in {language}; only Python is run")
    return [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]


def chosen(text: str | None, count: int) -> list[int]:
    """The numbers in ``0-6,9``, in that order; all without it."""
    if text is None:
        return list(range(count))
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if match is None:
            raise NotebookError(f"--cells {text}: write numbers and spans from 0, as 0-6,9")
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        if last < first or last >= count:
            raise NotebookError(
                f"--cells {text}: {part} is not in the {count} cells (0-{count - 1})"
            )
        numbers += range(first, last + 1)
    return numbers


def code_of(
    path: str, number: int, source: str, changes: list[ValueChange]
) -> list[types.CodeType]:
    """A cell as code: its statements and, where the last is an expression, that by itself."""
    plain = _SHOWING.sub("", source)
    name = f"{path}[{number}]"
    here = [change for change in changes if change.cell in (None, number)]
    try:
        tree = ast.fix_missing_locations(ValueReplacer(here).visit(ast.parse(plain, name)))
        shown = []
        if tree.body and isinstance(tree.body[-1], ast.Expr) and not plain.rstrip().endswith(";"):
            shown = [compile(ast.Expression(tree.body.pop().value), name, "eval")]
        codes = [compile(tree, name, "exec"), *shown]
    except SyntaxError as error:
        line = (plain.splitlines() or [""])[(error.lineno or 1) - 1 : error.lineno]
        raise NotebookError(
            f"cell {number} of {path} is not plain Python ({''.join(line).strip()!r}: {error.msg});"
            " leave it out with --cells"
        ) from None
    linecache.cache[name] = (len(plain), None, plain.splitlines(keepends=True), name)
    return codes


def prepared(
    path: str, cells: list[tuple[str, str]], numbers: list[int], changes: list[ValueChange]
) -> list[tuple[int, list[types.CodeType]]]:
    """The code of the chosen cells. A change must hit one place, or nobody knows what was run."""
    made = [
        (number, code_of(path, number, cells[number][1], changes))
        for number in numbers
        if cells[number][0] == "code"
    ]
    for change in changes:
        if change.hits == 0:
            place = f"is not called {change.callee}(…)" if change.callee else "is not assigned"
            raise NotebookError(f"--set {change.text}: in the chosen cells of {path} it {place}")
        if change.hits > 1:
            raise NotebookError(
                f"--set {change.text}: {change.hits} places in {path} match; name the cell, "
                f"as --set 8:{change.text}"
            )
    return made


def show(
    kind: type[BaseException], error: BaseException, trace: types.TracebackType | None
) -> None:
    """Prints an error from the cell on, with the lines of cells: Python itself looks for files."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    traceback.print_exception(kind, error, trace)


def run(path: str, made: list[tuple[int, list[types.CodeType]]], after: list[str]) -> None:
    """Runs the cells, then the lines of *after*, as the main module."""
    main = types.ModuleType("__main__")
    main.__dict__.update(display=print)
    sys.modules["__main__"] = main
    sys.excepthook = show
    sys.argv = [path]
    sys.path[0] = os.path.dirname(os.path.abspath(path))  # as Jupyter does: beside the notebook
    for place, (number, codes) in enumerate(made, start=1):
        print(f"[{place}/{len(made)}] cell {number} of {os.path.basename(path)}", flush=True)
        for code in codes:
            value = eval(code, main.__dict__)
            if value is not None:
                print(repr(value), flush=True)
    for line in after:
        exec(compile(line, "--after", "exec"), main.__dict__)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("notebook")
    parser.add_argument("--cells", help="numbers from 0 of all cells, as 0-6,9 (default: all)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--after", action="append", default=[], metavar="CODE")
    parser.add_argument("--list", action="store_true", help="shows the cells, runs nothing")
    options = parser.parse_args()
    try:
        cells = read(options.notebook)
        numbers = chosen(options.cells, len(cells))
        if options.list:
            for number in numbers:
                kind, source = cells[number]
                print(f"[{number}] {kind}\n{source}\n")
            return
        changes = [ValueChange(text) for text in options.set]
        made = prepared(options.notebook, cells, numbers, changes)
    except NotebookError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(REFUSED) from None
    run(options.notebook, made, options.after)


if __name__ == "__main__":
    main()
