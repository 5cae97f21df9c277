"""The house: which module may import which. Data flows down, imports point up this table."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import energyctl

PACKAGE = Path(energyctl.__file__).parent

# Every module may import `errors`, and a package the modules inside it.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "atomic": set(),
    "text": set(),
    "log_tail": set(),
    "job_view": set(),
    "observer": set(),
    "tables": {"ledger"},
    "table_files": {"machine", "tables"},
    "stored": {"ledger", "tables"},
    "exporting": {"machine", "stored", "table_files", "tables"},
    "series": set(),
    "comparing": {"tables"},
    "nodes": {"tables"},
    "calibrations": {"nodes"},
    "pages": {"calibrations", "charts", "loading", "nodes", "reports", "tables"},
    "loading": {"json_text", "series", "stored", "tables"},
    "charts": {"loading", "series", "tables"},
    "figures": {"charts", "machine", "table_files", "tables"},
    "steadiness": set(),
    "ledger": set(),
    "subreaper": set(),
    "rows": set(),
    "logs": set(),
    "iteration": {"logs", "rows", "subreaper"},
    "iterate": {"iteration"},
    "interrupts": set(),
    "workspace": set(),
    "groups": set(),
    "guard": {"cgroups", "groups", "iteration", "processes", "rows"},
    "demo": set(),
    "notebooks": set(),
    "documents": set(),
    "energy": set(),
    "settings": {"documents"},
    "registry": {"documents"},
    "plan": {"documents", "settings", "registry"},
    "programs": {"groups", "plan", "registry"},
    "processes": set(),
    "cgroups": set(),
    "judging": {"plan", "programs", "workload"},
    "measured": {"subreaper"},
    "launching": {"cgroups", "groups", "processes"},
    "keeper": set(),
    "machine": {"atomic", "keeper", "meters", "processes"},
    "leftovers": {"cgroups", "groups", "machine", "processes", "supervisor"},
    "outputs": {"atomic", "machine"},
    "foreign": {"groups", "meters", "processes", "supervisor"},
    "rpc": set(),
    "supervisor": {"groups", "processes", "rpc"},
    "meters": {"energy"},
    "metering": {"energy", "machine", "meters", "outputs"},
    "meter": {"energy", "metering", "meters"},
    "metered": {
        "energy", "json_text", "machine", "meter", "outputs", "processes", "reports",
    },
    "history": {"plan", "results", "settings"},
    "interpreters": {"registry"},
    "workdirs": {"processes", "registry"},
    "trainings": {"interpreters", "plan", "registry", "results", "workdirs"},
    "preflight": {"interpreters", "plan", "registry", "trainings"},
    "results": {"atomic", "ledger", "machine", "plan", "processes", "programs"},
    "imports": {"energy", "foreign", "meters", "programs", "results", "workload"},
    "journal": {"plan", "programs", "results"},
    "state": {"observer"},
    "trees": set(),
    "workload": set(),
    "loads": {"meters", "trees", "workload"},
    "entries": {"groups", "plan", "processes", "programs", "registry", "results"},
    "daemons": {
        "atomic", "cgroups", "groups", "machine", "processes", "programs", "supervisor",
        "workspace",
    },
    "background": {
        "atomic", "cgroups", "foreground", "groups", "iteration", "judging", "ledger", "loads",
        "observer", "processes", "programs", "results", "rows", "subreaper", "supervisor",
        "workload",
    },
    "foreground": {"interrupts", "launching", "processes", "registry", "workdirs"},
    "trying": {
        "foreground", "interrupts", "launching", "machine", "plan", "preflight", "processes",
        "registry", "results", "trainings",
    },
    "live": {
        "background", "cgroups", "energy", "foreground", "foreign", "interrupts", "loads", "meters",
        "observer", "plan", "processes", "programs", "registry", "results", "settings",
        "supervisor", "trainings",
    },
    "settling": {"background", "live", "loads", "observer", "steadiness", "workload"},
    "outcome": {
        "background", "energy", "foreground", "foreign", "judging", "ledger", "live", "meters",
        "plan", "results",
    },
    "runner": {
        "background", "entries", "foreground", "launching", "live", "meters", "outcome", "plan",
        "processes", "registry", "results", "settling", "trainings", "workdirs",
    },
    "placing": {"journal", "outcome", "plan", "results", "workdirs"},
    "preparation": {
        "entries", "history", "interpreters", "journal", "live", "machine", "observer", "placing",
        "plan", "preflight", "processes", "programs", "registry", "results", "settings",
        "trainings", "workspace",
    },
    "calibrating": {
        "calibrations", "journal", "live", "plan", "programs", "registry", "results", "runner",
        "settings", "trainings", "workspace",
    },
    "campaign": {
        "calibrating", "cgroups", "daemons", "foreign", "interrupts", "journal", "leftovers",
        "live", "machine", "meters", "observer", "placing", "plan", "preparation", "processes",
        "registry", "runner", "settings", "supervisor", "trainings", "workdirs", "workspace",
    },
    "cluster": {
        "campaign", "journal", "machine", "observer", "outcome", "placing", "plan", "preparation",
        "programs", "results", "settings", "state", "workdirs", "workspace",
    },
    "operations": {
        "campaign", "cluster", "groups", "leftovers", "machine", "meters", "processes", "results",
        "state", "supervisor", "workdirs", "workspace",
    },
    "reports": {
        "cluster", "comparing", "energy", "meters", "nodes", "observer", "plan", "registry",
        "watching",
    },
    "watching": {
        "foreground", "journal", "machine", "observer", "plan", "processes", "results", "state",
        "workspace",
    },
    "console": {"observer", "reports"},
}  # fmt: skip

# Modules that work on values alone: they may not open, start, sleep or ask the clock.
PURE = {
    "comparing", "documents", "energy", "errors", "judging", "json_text", "ledger", "nodes",
    "observer", "plan", "programs", "registry", "settings", "steadiness", "tables", "workload",
}  # fmt: skip
EDGES = {"os", "socket", "subprocess", "shutil", "signal", "time", "psutil", "pynvml", "ctypes"}


def modules() -> dict[str, list[Path]]:
    """Top-level module or package of the project → its files."""
    found: dict[str, list[Path]] = {}
    for path in PACKAGE.rglob("*.py"):
        inside = path.relative_to(PACKAGE)
        found.setdefault(inside.parts[0].removesuffix(".py"), []).append(path)
    return found


def imports(path: Path) -> set[str]:
    """Every module that *path* imports, at whatever depth, as dotted names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own_imports(name: str, files: list[Path]) -> set[str]:
    """The project's top-level modules that the module *name* imports, itself excepted."""
    known = set(modules())
    parts = [dotted.split(".") for path in files for dotted in imports(path)]
    inside = {part[1] for part in parts if part[0] == "energyctl" and len(part) > 1}
    return (inside & known) - {name, "errors"}


def test_every_module_has_its_place_in_the_house() -> None:
    assert set(modules()) - {"__init__", "__main__", "cli"} == set(MAY_IMPORT)


@pytest.mark.parametrize("name", sorted(MAY_IMPORT))
def test_imports_point_up_the_house(name: str) -> None:
    assert own_imports(name, modules()[name]) <= MAY_IMPORT[name]


def test_the_house_has_no_cycle() -> None:
    graph = {name: own_imports(name, files) for name, files in modules().items()}
    order: list[str] = []
    while len(order) < len(graph):
        free = [name for name, needs in graph.items() if name not in order and needs <= {*order}]
        assert free, f"a cycle among {sorted(set(graph) - set(order))}"
        order += free


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_modules_touch_no_machine(name: str) -> None:
    touched = {dotted.split(".")[0] for path in modules()[name] for dotted in imports(path)}
    assert not touched & EDGES


def test_the_launcher_needs_the_standard_library_alone() -> None:
    own = {"iterate", "iteration", *MAY_IMPORT["iteration"]}
    used = {dotted.split(".")[0] for name in own for dotted in imports(PACKAGE / f"{name}.py")}
    assert used - {"energyctl"} <= set(sys.stdlib_module_names)
    assert {n for name in own for n in own_imports(name, modules()[name])} <= own


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
