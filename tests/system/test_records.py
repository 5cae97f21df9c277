"""Records of this machine: where they lie, and what stands in their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from energyctl.system import records


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENERGYCTL_ACCEPTANCE", str(tmp_path / "new" / "kept"))
    return tmp_path / "new" / "kept"


def test_a_record_is_kept_under_the_names_of_what_it_is_of(folder: Path) -> None:
    path = records.path_of("twins", "node 7", "NVIDIA H200/1")
    assert path == folder / "twins-node_7-NVIDIA_H200_1.json"
    assert records.read(path) is None
    assert records.keep(path, {"bias": 0.1}) == path
    assert records.keep(path, {"bias": 0.2}) == path
    assert records.read(path) == {"bias": 0.2}


def test_one_that_cannot_be_kept_is_told(folder: Path) -> None:
    folder.parent.mkdir()
    folder.touch()
    document: dict[str, Any] = {"warnings": []}
    assert records.keep_or_warn(records.path_of("twins", "GPU"), document) is None
    (warning,) = document["warnings"]
    assert f"not kept: {folder}/twins-GPU.json cannot be written" in warning


@pytest.mark.parametrize("value", [None, True, "1", -1.0, float("nan"), 1e300, 10**400])
def test_what_is_no_date_is_none(value: Any) -> None:
    assert not records.is_date(value)
    assert records.is_date(1.8e9)
