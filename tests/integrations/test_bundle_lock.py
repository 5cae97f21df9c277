"""What is read of a training's environment, and that nothing of it is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from energyctl.integrations.bundle.lock import lock_document, lock_words
from energyctl.results.api import Runs


def head(interpreter: str, **more: Any) -> Any:
    registry = {
        "models": {
            "front": {
                "path": "repos/front",
                "train_script": "train.py",
                "models": ["small"],
                "interpreter": interpreter,
                **more,
            }
        }
    }
    return {"registry": registry, "runs": [{"repo": "front", "background": []}]}


def environment(folder: Path) -> Path:
    """A virtual environment that notes when its interpreter is run."""
    packages = folder / "lib/python3.12/site-packages"
    for name, version in (("torch", "2.9.1"), ("Lightning", "2.5")):
        info = packages / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.12.7\n")
    python = folder / "bin/python"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\ntouch {folder}/was-run\n")
    python.chmod(0o755)
    return folder


def test_packages_are_read_and_the_interpreter_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "repos/front").mkdir(parents=True)
    venv = environment(tmp_path / "venv")
    lock = lock_document(head(str(venv)), Runs(()), tmp_path)
    found = lock["trainings"]["front"]
    assert found["packages"] == {"Lightning": "2.5", "torch": "2.9.1"}
    assert (found["python"], found["interpreter"]) == ("3.12.7", str(venv / "bin/python"))
    assert not (venv / "was-run").exists()
    assert lock["energyctl"]["packages"]["click"]
    json.dumps(lock)


def test_an_environment_that_is_gone_is_said_so(tmp_path: Path) -> None:
    lock = lock_document(head(str(tmp_path / "gone")), Runs(()), tmp_path)
    assert lock["trainings"]["front"]["packages"] is None
    (line, _) = sorted(lock_words(lock), key=len, reverse=True)
    assert line.endswith("its interpreter " + str(tmp_path / "gone") + " is missing")
    contained = head("python", container={"image": "images/torch:2"})
    found = lock_document(contained, Runs(()), tmp_path)["trainings"]["front"]
    assert found["container"] == "images/torch:2"
    assert "container's image" in found["missing"]["packages"]
