"""The command that installs what is missing."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from energyctl.system.dependencies import extra_install, pip_install

PIP = [sys.executable, "-m", "pip", "install"]


def installed_from(site: Path, monkeypatch: pytest.MonkeyPatch, origin: object) -> None:
    """energyctl as installed into *site*. origin: what pip noted of where it came from."""
    info = site / "energyctl-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: energyctl\nVersion: 1.0\n"
        "Requires-Dist: click>=8.1\n"
        "Requires-Dist: altair>=6.1; extra == 'report'\n"
        'Requires-Dist: scipy>=1.15; extra == "report"\n'
        "Requires-Dist: pyarrow>=16; extra == 'tables'\n"
    )
    if origin is not None:
        (info / "direct_url.json").write_text(json.dumps(origin))
        (info / "RECORD").write_text(f"{info.name}/direct_url.json,,\n")
    found = metadata.Distribution.at(info)
    monkeypatch.setattr(metadata, "distribution", lambda name: found)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    path = tmp_path / "my clone"
    path.mkdir()
    (path / "pyproject.toml").touch()
    return path


def test_the_clone_that_it_was_installed_from(
    tmp_path: Path, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed_from(tmp_path / "site", monkeypatch, {"url": clone.as_uri(), "dir_info": {}})
    assert shlex.split(extra_install("report")) == [*PIP, f"{clone}[report]"]


def test_an_editable_installation_stays_one(
    tmp_path: Path, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = {"url": clone.as_uri(), "dir_info": {"editable": True}}
    installed_from(tmp_path / "site", monkeypatch, origin)
    assert shlex.split(extra_install("tables")) == [*PIP, "-e", f"{clone}[tables]"]


@pytest.mark.parametrize(
    "origin",
    [None, {"url": "file:///gone", "dir_info": {}}, {"url": "https://x.org/energyctl-1.0.whl"}],
)
def test_the_packages_where_no_clone_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: object
) -> None:
    installed_from(tmp_path / "site", monkeypatch, origin)
    assert shlex.split(extra_install("report")) == [*PIP, "altair>=6.1", "scipy>=1.15"]
    assert shlex.split(extra_install("tables")) == [*PIP, "pyarrow>=16"]


def test_the_folder_of_the_package_where_nothing_is_installed() -> None:
    root = Path(__file__).parents[2]
    program = (
        "from importlib import metadata\n"
        "def distribution(name): raise metadata.PackageNotFoundError(name)\n"
        "metadata.distribution = distribution\n"
        "from energyctl.system.dependencies import extra_install\n"
        "print(extra_install('report'))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip().endswith(shlex.quote(f"{root}[report]"))


def test_uv_where_the_environment_has_no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    expected = ["uv", "pip", "install", "--python", sys.executable, "psutil>=5.9"]
    assert shlex.split(pip_install("psutil>=5.9")) == expected
