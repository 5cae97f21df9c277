"""What a training wrote into its folder while it was measured, and what came over the network."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench import Bench, wait_for
from energyctl.campaign.training import fetched
from energyctl.campaign.training.foreground import Attempt
from energyctl.config.registry import Metric, Repository, Step
from energyctl.system.logs import OutputLog

LARGE = 12_000_000


def write(path: Path, size: int = LARGE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.truncate(size)


def instant(folder: Path) -> float:
    """Now (Unix seconds), with all files so far before it and all later ones behind it: the
    kernel's clock of files goes by ticks."""
    probe = folder / "probe"

    def ticked(since: float) -> bool:
        probe.touch()
        return probe.stat().st_ctime > since

    began = time.time()
    wait_for(lambda: ticked(began), "the clock of files")
    now = time.time()
    wait_for(lambda: ticked(now), "the clock of files")
    return now


class Measured:
    """A run's folder, its clone, and what is written there before, meanwhile and afterwards."""

    def __init__(self, root: Path, kind: str = "links") -> None:
        self.root, self.kind = root, kind
        self.clone, self.results = root / "repos" / "net", root / "results"
        self.workdir = self.results / "work_E" / "foreground_attempt0"
        if kind == "in_place":
            self.workdir = self.clone
        for folder in (self.clone, self.workdir):
            folder.mkdir(parents=True, exist_ok=True)

    def warnings(self, *written: str, size: int = LARGE, **fields: Any) -> list[str]:
        """Of an attempt that wrote these paths, as it sees them, each of that many bytes."""
        attempt = Attempt(0, OutputLog(self.root / "log"))
        write(self.workdir / "before")
        attempt.start = instant(self.root)
        for path in written:
            write(self.workdir / path, size)
        attempt.end = instant(self.root)
        write(self.workdir / "after")
        fields = {"steps": (), "workspace": self.kind, **fields}
        repository = Repository("net", "repos/net", ("m",), **fields)
        return fetched.warnings(repository, self.clone, attempt, self.workdir, self.results)


@pytest.mark.parametrize("kind", ["in_place", "links", "copy", "empty"])
def test_a_large_file_that_is_no_output_is_named_with_the_cure(tmp_path: Path, kind: str) -> None:
    (line,) = Measured(tmp_path, kind).warnings("data/MNIST/raw/images", "data/labels", "best.pth")
    assert line.startswith(
        "large files that are no outputs were written during the training: net: "
    )
    assert "data (24 MB), best.pth (12 MB); " in line
    for word in ('"prepare"', '"shared"', '"outputs"'):
        assert word in line


def test_what_lies_beside_the_folder_or_in_a_shared_one_is_named(tmp_path: Path) -> None:
    measured = Measured(tmp_path)
    (tmp_path / "store").mkdir()
    (tmp_path / "repos" / "data").symlink_to(tmp_path / "store")
    (measured.workdir.parent / "data").symlink_to(tmp_path / "store")
    write(measured.workdir.parent / "background_j" / "fetched")
    (line,) = measured.warnings("../data/images", "../cache/net", shared=("../data",))
    assert ": ../cache (12 MB), ../data (12 MB); " in line


def test_outputs_and_what_is_small_are_not(tmp_path: Path) -> None:
    metric = Metric("acc", "{number}", file="logs/*.json")
    step = Step("train", values={"checkpoint": "nets/*.pth"})
    written = ("kept.pth", "runs/1/log", "model/deep/net", "logs/1.json", "nets/1.pth")
    outputs = {"keep": ("*.pth",), "delete": ("runs/*",), "writes": ("./model/",)}
    measured = Measured(tmp_path)
    assert measured.warnings(*written, **outputs, metrics=(metric,), steps=(step,)) == []
    assert measured.warnings("small", size=fetched.SMALL_BYTES - 1) == []
    assert len(measured.warnings("a/1", "b/1", size=fetched.SMALL_BYTES // 2)) == 1


def test_much_traffic_is_said_to_be_of_the_whole_machine(tmp_path: Path) -> None:
    measured = Measured(tmp_path)
    attempt = Attempt(0, OutputLog(tmp_path / "log"), start=100.0, end=120.0)
    repository = Repository("net", "repos/net", ("m",), ())

    def said(received: int | None) -> list[str]:
        attempt.received_bytes = received
        return fetched.warnings(
            repository, measured.clone, attempt, measured.workdir, measured.results
        )

    (line,) = said(170_000_000)
    assert line.startswith("the whole machine received 170 MB over the network during the training")
    assert "8.5 MB a second" in line
    assert said(fetched.LITTLE_TRAFFIC_BYTES - 1) == said(None) == []


DOWNLOAD = """
import os
os.makedirs("../data", exist_ok=True)
with open("../data/images", "wb") as file:
    file.truncate(12_000_000)
"""


def test_a_download_in_the_measurement_is_a_warning_of_the_run_and_of_the_test(
    bench: Bench,
) -> None:
    entry = {
        "path": "repos/front",
        "models": ["net"],
        "command": [sys.executable, "-S", "download.py"],
        "workspace": "links",
    }
    registry = bench.root / "settings" / "models_config.json"
    registry.write_text(json.dumps({"models": {"front": entry}}))
    (bench.root / "repos" / "front" / "download.py").write_text(DOWNLOAD)
    named = "were written during the training: front: ../data (12 MB)"
    tried = bench.run("models", "--test", "front/net")
    assert named in tried.stdout, tried.stdout + tried.stderr
    name = bench.settings(experiments=[{"mode": "default", "repo": "front", "model": "net"}])
    done = bench.run("run", name)
    assert done.returncode == 0, done.stderr
    (result,) = bench.results()
    assert any(named in line for line in result["warnings"])
    (attempt,) = result["foreground_result"]["attempts"]
    assert attempt.get("received_bytes", 0) >= 0
