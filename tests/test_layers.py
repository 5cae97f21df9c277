"""The layers of the package: imports go one way, up a single list."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import energyctl

PACKAGE = Path(energyctl.__file__).parent

# A file may import what stands before its own package, never after. `__init__` hands out the public
# names when they are asked for, and imports nothing.
LAYERS = (
    "__init__", "errors", "text", "launchers", "energy", "config", "system", "meters", "results",
    "background", "campaign", "slurm", "analysis", "integrations", "search", "cli",
)  # fmt: skip
STRANGERS = {("config", "energy"), ("analysis", "background")}
"""Further pairs of which the first may not import the second."""
ON_TOP = {"__main__", "demo", "marks", "charts", "figures", "guard", "iterate"}
"""The entry point, the training of the quick start, what runs inside a training, and names that
others hold: nobody imports them."""

# Work on values alone: they may not open, start, sleep or ask the clock.
PURE = ("energy", "config", "errors.py", "text.py")
MACHINE = {"os", "socket", "subprocess", "shutil", "signal", "time", "psutil", "pynvml", "ctypes"}

FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def imports(file: str) -> set[str]:
    """Every module that *file* imports, at whatever depth and for types too, as dotted names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((PACKAGE / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files_of(file: str) -> set[str]:
    """The files of the package that *file* imports."""
    found = {_file(name) for name in imports(file) if name.split(".")[0] == "energyctl"}
    return found - {file}


def _file(dotted: str) -> str:
    """``energyctl.energy.Domain`` → ``energy/__init__.py``."""
    path = dotted.split(".")[1:]
    while path:
        for name in ("/".join(path) + ".py", "/".join([*path, "__init__.py"])):
            if name in FILES:
                return name
        path.pop()
    return "__init__.py"


def layer(file: str) -> str:
    return file.split("/")[0].removesuffix(".py")


def test_every_file_has_its_layer() -> None:
    assert {layer(file) for file in FILES} == {*LAYERS, *ON_TOP}


def test_no_two_files_import_each_other_in_a_circle() -> None:
    TopologicalSorter({file: files_of(file) for file in FILES}).prepare()


@pytest.mark.parametrize("file", [file for file in FILES if layer(file) in LAYERS])
def test_imports_go_up_the_list(file: str) -> None:
    allowed = LAYERS[: LAYERS.index(layer(file)) + 1]
    layers = {layer(other) for other in files_of(file)}
    assert layers <= {*allowed}
    assert not {b for a, b in STRANGERS if a == layer(file)} & layers


@pytest.mark.parametrize("file", [file for file in FILES if file.startswith(PURE)])
def test_pure_files_touch_no_machine(file: str) -> None:
    assert not {name.split(".")[0] for name in imports(file)} & MACHINE


def test_what_runs_inside_a_training_needs_the_standard_library_alone() -> None:
    assert not files_of("marks.py")
    assert {name.split(".")[0] for name in imports("marks.py")} <= set(sys.stdlib_module_names)
    assert not {file for file in FILES if "marks.py" in files_of(file)}


@pytest.mark.parametrize("file", [file for file in FILES if file.startswith("launchers/")])
def test_launchers_need_the_standard_library_alone(file: str) -> None:
    assert {layer(other) for other in files_of(file)} <= {"launchers"}
    used = {name.split(".")[0] for name in imports(file)} - {"energyctl"}
    assert used <= set(sys.stdlib_module_names)


def test_public_names_are_typed_where_they_are_at_home() -> None:
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    typed = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    homes = {name: home or "energyctl" for name, home in energyctl._HOMES.items()}
    assert typed == homes
    assert all(getattr(energyctl, name) is not None for name in energyctl.__all__)


def test_help_imports_nothing_that_is_not_needed() -> None:
    program = (
        "import sys, energyctl.cli; code = energyctl.cli.run(['--help']); "
        "print(sorted(set(sys.modules) & "
        "{'pydantic', 'rich', 'jinja2', 'psutil', 'pynvml', 'supervisor', 'asyncio'}), code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[] 0"
