"""What a load puts in the place of energyctl's files is neither opened nor waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from energyctl.background.ledger_reader import LedgerFile
from energyctl.launchers import ledger_writer

ROW = "job,1,123,1000.0,1001.0,0,\n"


@pytest.mark.parametrize("kind", ["FIFO", "link"])
@pytest.mark.parametrize("name", ["iterations.csv", ".job.123.running"])
def test_no_fifo_is_waited_for_and_no_link_followed(tmp_path: Path, name: str, kind: str) -> None:
    folder, elsewhere = tmp_path / "logs", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.write_text(ledger_writer.HEADER + ROW if name.endswith("csv") else "job,7,9,1000.0,5")
    place = folder / name
    os.mkfifo(place) if kind == "FIFO" else place.symlink_to(elsewhere)
    assert dict(LedgerFile(folder).look()) == {}
    assert ledger_writer.own_rows(str(folder / "iterations.csv"), "job") == []
