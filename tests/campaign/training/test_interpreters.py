"""Which Python runs a repository's programs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from energyctl.campaign.training.interpreters import imports_missing, interpreter_of
from energyctl.config.registry import Interpreter, Repository, Step
from energyctl.errors import SettingsError


def repository(interpreter: str | None) -> Repository:
    return Repository("r", "clone", ("m",), (Step("train"),), interpreter=interpreter)


def environment(folder: Path, mark: str) -> Path:
    """A stand-in environment; its mark is a file, or a folder where it ends in a slash."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    if mark.endswith("/"):
        (folder / mark).mkdir()
    else:
        (folder / mark).touch()
    return folder


def test_a_virtual_environment_is_entered(tmp_path: Path) -> None:
    venv = environment(tmp_path / "clone" / ".venv", "pyvenv.cfg")
    for named in (".venv", "./.venv", str(venv), ".venv/bin/python"):
        found = interpreter_of(repository(named), tmp_path, "own", {"PATH": "/usr/bin"})
        assert Path(found.python) == venv / "bin" / "python"
        assert found.env == {"VIRTUAL_ENV": str(venv), "PATH": f"{venv}/bin:/usr/bin"}


def test_a_conda_environment_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / ".conda").mkdir()
    conda = environment(tmp_path / "miniconda3", "conda-meta/")
    named = environment(conda / "envs" / "vision", "conda-meta/")
    elsewhere = environment(tmp_path / "scratch" / "speech", "conda-meta/")
    (tmp_path / ".conda" / "environments.txt").write_text(f"{conda}\n{elsewhere}\n")
    environ = {"HOME": str(tmp_path), "PATH": "/bin"}
    for name, prefix in (("vision", named), ("speech", elsewhere)):
        found = interpreter_of(repository(f"conda:{name}"), tmp_path, "own", environ)
        assert Path(found.python) == prefix / "bin" / "python"
        assert found.env["CONDA_PREFIX"] == str(prefix)
    with pytest.raises(SettingsError, match="no conda environment 'visoin'"):
        interpreter_of(repository("conda:visoin"), tmp_path, "own", environ)


def test_commands_and_paths_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "clone").mkdir()
    assert interpreter_of(repository("bash"), tmp_path, "own", {}) == Interpreter("bash")
    assert interpreter_of(repository(None), tmp_path, "/bin/python3", {}).python == "/bin/python3"
    with pytest.raises(SettingsError, match=r"bin/python4 is missing"):
        interpreter_of(repository("bin/python4"), tmp_path, "own", {})


def test_imports_are_tried(tmp_path: Path) -> None:
    python = sys.executable
    (tmp_path / "broken.py").write_text("raise SystemExit('no GPU')\n")
    env = (("PYTHONPATH", str(tmp_path)), ("PYTHONDONTWRITEBYTECODE", "1"))
    assert imports_missing(python, ("json", "os"), tmp_path, env) is None
    found = imports_missing(python, ("json", "broken"), tmp_path, env)
    assert found is not None
    assert "cannot import broken (SystemExit: no GPU)" in found
