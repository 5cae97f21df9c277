"""The record of twins: which GPUs it is of, and files that anything may have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from energyctl.meters.twins.record import path_of, twins_of
from energyctl.system.records import keep

GPU = {"index": 0, "name": "NVIDIA H200", "uuid": "GPU-1", "driver": "580.1"}
DOCUMENT = {
    "schema": 1, "date_unix": 1.8e9, "energyctl": "1.2", "gpu": GPU, "differential": 0.031,
    "bias": -0.002, "repeats": 5, "seconds": 20.0,
}  # fmt: skip


def write(document: dict[str, Any]) -> Path:
    return keep(path_of(document["gpu"]), document)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENERGYCTL_ACCEPTANCE", str(tmp_path / "kept"))
    return tmp_path / "kept"


def test_a_record_is_of_a_model_and_a_driver(folder: Path) -> None:
    assert twins_of(GPU) is None
    assert write(DOCUMENT).parent == folder
    twins = {
        "differential": 0.031, "bias": -0.002, "repeats": 5, "date": 1.8e9,
        "how": "two identical loads of energyctl 1.2, 5 times 20 s",
    }  # fmt: skip
    assert twins_of(GPU) == twins
    assert twins_of({**GPU, "uuid": "GPU-2", "index": 3}) == twins
    assert twins_of({**GPU, "driver": "590.2"}) is None
    assert twins_of({**GPU, "name": "NVIDIA H100"}) is None
    write({**DOCUMENT, "differential": 0.5})
    assert twins_of(GPU) == {**twins, "differential": 0.5}


def test_a_gpu_that_does_not_say_what_it_is_has_none() -> None:
    nameless = {**GPU, "name": None}
    write({**DOCUMENT, "gpu": nameless})
    assert twins_of(nameless) is None


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2}, {"gpu": None}, {"gpu": {**GPU, "driver": "1"}}, {"differential": None},
        {"differential": -0.1}, {"differential": 10**400}, {"bias": 2}, {"repeats": 0},
        {"repeats": 1.5}, {"seconds": "20"}, {"date_unix": 1e300}, {"energyctl": 1},
    ],
)  # fmt: skip
def test_what_is_no_record_is_none(change: dict[str, Any]) -> None:
    path = write(DOCUMENT)
    assert twins_of(GPU) is not None
    path.write_text(json.dumps({**DOCUMENT, **change}))
    assert twins_of(GPU) is None


@pytest.mark.parametrize("text", ["", "[1]", "{", "NaN", '{"schema": 1, "differential": NaN}'])
def test_a_file_that_is_no_document_is_none(folder: Path, text: str) -> None:
    folder.mkdir()
    path_of(GPU).write_text(text)
    assert twins_of(GPU) is None
