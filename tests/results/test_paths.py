"""Names of a run's files: spelled once, and found again by whoever reads."""

from __future__ import annotations

import ast
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import energyctl
from energyctl.config.plan import Run, Training
from energyctl.meters import csv_files
from energyctl.results import paths, reader
from energyctl.results.folder import ResultsFolder
from energyctl.results.paths import RunFiles
from energyctl.results.tables import Part

PACKAGE = Path(energyctl.__file__).parent
SAMPLES = Path(__file__).parents[1] / "samples"

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


# -- attempts --------------------------------------------------------------------------------------


@pytest.fixture
def of_earlier_version(tmp_path: Path) -> Path:
    """Results as the version before wrote them, whose first attempt was ``_attempt1``: a run
    beside a background whose first attempt failed, and one alone."""
    return Path(shutil.copytree(SAMPLES / "attempts_from_1", tmp_path / "results"))


def test_an_earlier_result_has_its_series_and_its_ledger(of_earlier_version: Path) -> None:
    alone, parallel = sorted(energyctl.load(of_earlier_version), key=lambda run: str(run.mode))
    assert [a["attempt"] for a in parallel.result["foreground_result"]["attempts"]] == [1, 2]
    for run, attempt in ((parallel, 2), (alone, 1)):
        folder = reader.series_folder(run.path, Part(run.result))
        assert folder.name == f"energy_{run.experiment_id}_attempt{attempt}"
        assert folder.is_dir()
        assert run.power().height > 0
        assert (of_earlier_version / run.result["foreground_result"]["log"]).is_file()
    ends = [a["end"] for a in parallel.result["foreground_result"]["attempts"]]
    assert parallel.power()["timestamp"].max() == pytest.approx(ends[-1], abs=0.1)
    assert parallel.iterations().height == 5


def test_of_a_result_without_an_attempt_the_disk_says_how_they_were_counted(tmp_path: Path) -> None:
    files = RunFiles.of(tmp_path, "E")
    assert files.energy_on_disk(None) == files.energy(0)
    files.energy(1).mkdir()
    assert files.energy_on_disk(None) == files.energy(1)  # as earlier versions imported a run
    files.energy(0).mkdir()
    assert files.energy_on_disk(None) == files.energy(0)
    assert files.energy_on_disk(2) == files.energy(2)


def test_a_new_name_is_none_of_an_earlier_run(of_earlier_version: Path) -> None:
    folder = ResultsFolder(of_earlier_version)
    (before,) = (path for path in of_earlier_version.glob("*_small.json"))
    began = time.mktime(time.strptime(before.name[:15], "%Y%m%d_%H%M%S"))
    run = Run(1, 0, 1, "default", Training("front", "small", {}))
    assert folder.new_run(run, began).result.name == before.name.replace("small", "small_2")
