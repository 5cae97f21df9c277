"""What is known wrong before anything starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from energyctl.campaign.training import interpreters, preflight
from energyctl.campaign.training.invocations import Trainings
from energyctl.config import registry
from energyctl.config.plan import BackgroundJob, Run, Training
from energyctl.config.registry import Invocation
from energyctl.errors import SettingsError

PATH = "/usr/bin:/bin"


def program(folder: Path, name: str, text: str, mode: int = 0o755) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("sh",), None),
        (("no-such-program",), "the program 'no-such-program' is not on PATH"),
        (("./gone.sh",), "gone.sh is missing"),
        (("./plain.sh",), "plain.sh is not executable; run `chmod +x"),
        (("./headless.sh",), "headless.sh has no first line like #!/bin/sh"),
        (("./good.sh",), None),
        (("./lost.sh",), "the interpreter of its first line is missing: /no/such/python"),
        (("./env.sh",), "'no-such-python' of its first line is not on PATH"),
        (("./split.sh",), None),
        (("./empty-head.sh",), "the interpreter of its first line is missing"),
        (("./folder",), "folder is missing"),
        ((sys.executable, "train.py"), None),
        ((sys.executable, "gone.py"), "gone.py is missing"),
        ((sys.executable, "-m", "module"), None),
        (("/bin/sh", "gone.py"), None),
    ],
)
def test_why_a_program_cannot_be_started(
    tmp_path: Path, argv: tuple[str, ...], said: str | None
) -> None:
    program(tmp_path, "plain.sh", "#!/bin/sh\n", 0o644)
    program(tmp_path, "headless.sh", "echo\n")
    program(tmp_path, "good.sh", "#! /bin/sh -e\n")
    program(tmp_path, "lost.sh", "#!/no/such/python -u\n")
    program(tmp_path, "env.sh", "#!/usr/bin/env no-such-python\n")
    program(tmp_path, "split.sh", "#!/usr/bin/env -S sh -e\n")
    program(tmp_path, "empty-head.sh", "#!\n")
    program(tmp_path, "train.py", "")
    (tmp_path / "folder").mkdir()
    found = preflight.cannot_start(Invocation(argv, str(tmp_path), {}), PATH)
    if said is None:
        assert found is None
    else:
        assert found is not None
        assert said in found


def test_a_missing_working_folder_is_named(tmp_path: Path) -> None:
    invoked = Invocation(("sh",), str(tmp_path / "gone"), {})
    assert preflight.cannot_start(invoked, PATH) == f"its folder {tmp_path / 'gone'} is missing"


REGISTRY: dict[str, Any] = {
    "models": {
        name: {
            "path": f"repos/{name}",
            "train_script": "train.sh",
            "models": ["a", "b"],
            "model_flag": "-n",
        }
        for name in ("here", "gone", "broken")
    }
}


def test_every_repository_of_the_runs_is_checked_once(tmp_path: Path) -> None:
    for name, mode in (("here", 0o755), ("broken", 0o644)):
        (tmp_path / "repos" / name).mkdir(parents=True)
        program(tmp_path / "repos" / name, "train.sh", "#!/bin/sh\n", mode)
    jobs = tuple(BackgroundJob(Training("broken", model, {})) for model in "ab")
    runs = [
        Run(1, 0, 1, "parallel", Training("here", "a", {}), background=jobs),
        Run(2, 0, 2, "default", Training("gone", "a", {})),
        Run(3, 0, 3, "default", Training("gone", "b", {})),
    ]
    known = registry.parse(REGISTRY, "models_config.json")
    made = Trainings(known, tmp_path, sys.executable, {"PATH": PATH})
    problems = preflight.check(runs, made)
    assert problems == [
        f"broken: {tmp_path / 'repos/broken/train.sh'} is not executable; "
        f"run `chmod +x {tmp_path / 'repos/broken/train.sh'}`",
        f"gone: its clone is missing; put it at {tmp_path / 'repos/gone'}",
    ]


def test_trainings_get_the_python_of_the_active_environment(tmp_path: Path) -> None:
    for name in ("venv", "conda"):
        (tmp_path / name / "bin").mkdir(parents=True)
        os.symlink(sys.executable, tmp_path / name / "bin" / "python")
    venv, conda = str(tmp_path / "venv"), str(tmp_path / "conda")
    both = {"VIRTUAL_ENV": venv, "CONDA_PREFIX": conda}
    assert interpreters.own_python(both, "own") == f"{venv}/bin/python"
    assert interpreters.own_python({"CONDA_PREFIX": conda}, "own") == f"{conda}/bin/python"
    gone = {"VIRTUAL_ENV": str(tmp_path / "gone"), "CONDA_PREFIX": conda}
    assert interpreters.own_python(gone, "own") == f"{conda}/bin/python"
    assert interpreters.own_python({"VIRTUAL_ENV": ""}, "own") == "own"


def test_a_script_that_bash_refuses_is_one_clear_line(tmp_path: Path) -> None:
    preflight.check_script("case x in\n'a b') ;;\nesac\n", tmp_path / "mine.sh")
    with pytest.raises(SettingsError, match="bash refuses") as caught:
        preflight.check_script("if true; then\n", tmp_path / "mine.sh")
    assert str(tmp_path / "mine.sh") in str(caught.value)
    assert "\n" not in str(caught.value)
