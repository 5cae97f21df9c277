"""Names of a run's files: spelled once, and found again by whoever reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import energyctl
from energyctl.meters import csv_files
from energyctl.results import paths
from energyctl.results.paths import RunFiles

PACKAGE = Path(energyctl.__file__).parent

WHOLE = (
    "background_logs_", "background_training_", paths.LEDGER, paths.OPERATORS, ".cooling",
    paths.RESERVED, paths.CPU_ENERGY, paths.CPU_POWER, paths.GPU_POWER, paths.GPU_TEMPERATURE,
    paths.GPU_UTILIZATION,
)  # fmt: skip
"""In no text at all."""
PARTS = {"energy_", "training_", "work_", "outputs_", "_attempt", "work_*/"}
"""Of no text that is put together: the first part, or one between two values."""

AT_HOME = {"results/paths.py", "meters/csv_files.py"}
"""The meters write tables wherever they are told to, and stand below the results."""

FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
OTHERS = [name for name in FILES if name not in AT_HOME and not name.startswith("launchers/")]


def texts(file: str) -> Iterator[tuple[str, bool]]:
    """Each text in *file* but for documentation, and whether it is part of one put together."""
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(v) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for v in n.values}
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and id(node) not in documentation:
            yield text, id(node) in parts


@pytest.mark.parametrize("file", OTHERS)
def test_no_other_file_spells_a_name(file: str) -> None:
    spelled = [text for text, _ in texts(file) if any(name in text for name in WHOLE)]
    assert not spelled
    assert not [text for text, is_part in texts(file) if is_part and text in PARTS]


def test_the_home_does_spell_them() -> None:
    found = list(texts("results/paths.py"))
    assert all(any(name in text for text, _ in found) for name in WHOLE)
    assert {text for text, is_part in found if is_part} & PARTS >= {
        "energy_",
        "work_",
        "training_",
        "outputs_",
    }


def test_tables_are_named_as_the_meters_write_them() -> None:
    tables = (paths.CPU_POWER, paths.GPU_POWER, paths.GPU_TEMPERATURE, paths.GPU_UTILIZATION)
    assert tuple(csv_files.HEADERS) == tables
    assert csv_files.CPU_ENERGY == paths.CPU_ENERGY


def test_the_names_beside_a_result_are_those_that_its_run_was_written_under(tmp_path: Path) -> None:
    written = RunFiles(tmp_path, "E_parallel", "E", "stamp", "repo", "model")
    read = RunFiles.of_result(written.result)
    for name in ("unrested", "reservation", "entries", "script", "work", "outputs", "ledger"):
        assert getattr(read, name) == getattr(written, name)
    assert read.energy(2) == written.energy(2)
    assert read.operators.parent == read.ledger.parent == written.background_logs
