"""Where tests run in several processes, those of a file in TOGETHER of conftest.py run in one."""

from __future__ import annotations

import os

import pytest


@pytest.mark.parametrize("turn", range(8))
def test_one_process_runs_all_of_a_file(
    turn: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    own = tmp_path_factory.getbasetemp()
    notes = (own if worker is None else own.parent) / "together"
    with open(notes, "a") as file:
        file.write(f"{worker}\n")
    assert set(notes.read_text().splitlines()) == {str(worker)}
