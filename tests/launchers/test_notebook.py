"""Chosen cells of a notebook as a plain process, with values of its code replaced."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from energyctl.config import registry
from energyctl.config.registry import Interpreter, InvocationContext
from energyctl.launchers.notebook import NotebookError, ValueChange, __file__, prepared

PROGRAM = Path(__file__)
CELLS = [
    "import beside\nclass Arguments:\n    def __init__(self, **given):\n        self.given = given",
    "# Heading",
    "seeds = [42, 7]\nseed = seeds[0]\ndef inner():\n    seed = 5\n    return seed",
    "raise SystemExit('not chosen')",
    "%%capture\n%matplotlib inline\nif seed:\n    name = 'devign'",
    "arguments = Arguments(\n    rate=3e-05, half=True, seed=seed,\n)",
    "print(beside.WHO, name, seed, inner(), sorted(arguments.given.items()))\nArguments.__module__",
]


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A clone with a notebook and a module beside it."""
    made = [
        {"cell_type": "markdown" if place == 1 else "code", "source": text.splitlines(True)}
        for place, text in enumerate(CELLS)
    ]
    language = {"language_info": {"name": "python"}}
    path = tmp_path / "clone" / "Fine tuning.ipynb"
    path.parent.mkdir()
    path.write_text(json.dumps({"nbformat": 4, "metadata": language, "cells": made}))
    (path.parent / "beside.py").write_text("WHO = 'beside'\n")
    return path


def ran(notebook: Path, *arguments: str, program: Path = PROGRAM) -> tuple[int, str, str]:
    """Exit code, output and errors of the program, which knows nothing of energyctl."""
    done = subprocess.run(
        [sys.executable, "-I", str(program), str(notebook), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def test_chosen_cells_run_with_replaced_values_as_one_process(notebook: Path) -> None:
    before = notebook.read_bytes()
    code, output, errors = ran(
        notebook,
        *("--cells", "0-2,4-6"),
        *("--set", "seed=9", "--set", "name=d2a"),
        *("--set", "Arguments.rate=1.5e-06", "--set", "Arguments.half=false"),
        *("--set", "Arguments.decay=0.01", "--after", "print('after', name)"),
    )
    assert (code, errors) == (0, "")
    values = "[('decay', 0.01), ('half', False), ('rate', 1.5e-06), ('seed', 9)]"
    assert f"beside d2a 9 5 {values}\n'__main__'\nafter d2a\n" in output
    assert "[5/5] cell 6 of Fine tuning.ipynb" in output
    assert notebook.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "sead=1"], "--set sead=1: in the chosen cells of"),
        (["--set", "Argument.rate=1"], "is not called Argument(…)"),
        (["--set", "Arguments=1", "--cells", "5"], "is not assigned"),
        (["--set", "seed"], "write NAME=VALUE"),
        (["--set", "seed=[1, 2]"], "must be a number"),
        (["--cells", "0-7"], "0-7 is not in the 7 cells (0-6)"),
        (["--cells", "a"], "write numbers and spans"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_runs(
    notebook: Path, arguments: list[str], said: str
) -> None:
    code, output, errors = ran(notebook, *arguments)
    assert (code, output) == (2, "")
    assert errors.startswith("error: ")
    assert said in errors
    assert len(errors.splitlines()) == 1


def changed(source: str, text: str, number: int = 0) -> list[str]:
    """What a one-cell notebook prints with one value replaced."""
    made = prepared("n.ipynb", [("code", source)], [number], [ValueChange(text)])
    shown: list[str] = []
    names = {"print": lambda what: shown.append(str(what))}
    for code in made[0][1]:
        eval(code, names)
    return shown


def test_a_value_with_two_places_needs_the_number_of_its_cell() -> None:
    two = [("code", "rate = 1\nprint(rate)"), ("code", "rate = rate / 2\nprint(rate)")]
    with pytest.raises(NotebookError, match=r"2 places in n match; name the cell"):
        prepared("n", two, [0, 1], [ValueChange("rate=3")])
    made = prepared("n", two, [0, 1], [ValueChange("1:rate=3")])
    assert [number for number, _ in made] == [0, 1]


def test_an_option_given_already_is_replaced_where_it_stands_in_a_dotted_call() -> None:
    source = "class t:\n    @staticmethod\n    def cut(**k): print(k)\nt.cut(size=1024, on=True)"
    assert changed(source, "t.cut.size=64") == ["{'on': True, 'size': 64}"]


def test_lines_that_only_ipython_understands_are_named(notebook: Path) -> None:
    with pytest.raises(NotebookError, match=r"cell 0 of n\.ipynb is not plain Python \('!pip"):
        changed("x = 1\n!pip install torch", "x=2")
    with pytest.raises(NotebookError, match="'return' outside function"):
        changed("x = 1\nreturn x", "x=2")


def test_a_fault_in_a_cell_shows_its_line_and_ends_with_1(notebook: Path) -> None:
    code, _, errors = ran(notebook, "--after", "1 / 0", "--cells", "2")
    assert code == 1
    assert "ZeroDivisionError" in errors
    written = json.loads(notebook.read_text())
    written["cells"][2]["source"] = ["x = 1\n", "x / 0  # here"]
    notebook.write_text(json.dumps(written))
    code, _, errors = ran(notebook, "--cells", "2")
    assert code == 1
    assert "x / 0  # here" in errors


def test_what_is_no_python_notebook_is_refused(notebook: Path) -> None:
    notebook.write_text('{"worksheets": []}')
    assert "is not a notebook of format 4" in ran(notebook)[2]
    notebook.write_text('{"cells": [], "metadata": {"language_info": {"name": "R"}}}')
    assert "a notebook in R" in ran(notebook)[2]
    notebook.write_text("x")
    assert "is not a notebook:" in ran(notebook)[2]
    assert "No such file" in ran(notebook.with_name("other.ipynb"))[2]


def test_a_registry_names_the_program_for_the_interpreter_of_a_repository() -> None:
    command = ["{python}", "{notebook}", "a.ipynb", "{params}"]
    rate = {"template": ["--set", "Arguments.rate={value}"], "type": "float"}
    entry = {"path": "r", "models": ["m"], "command": command}
    known = registry.parse(
        {"models": {"r": {**entry, "supported_hyperparams": {"rate": rate}}}}, "x"
    ).repositories["r"]
    where = InvocationContext(Path("/lab"), Interpreter("/env/bin/python"))
    (made,) = registry.invocations(known, "m", {"rate": 1e-05}, where)
    assert Path(made.argv[1]) == PROGRAM
    assert made.argv[2:] == ("a.ipynb", "--set", "Arguments.rate=1e-05")
