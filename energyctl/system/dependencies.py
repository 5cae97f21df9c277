"""The packages that energyctl is installed with: whether each is there, new enough, and works;
and the command that installs what is missing."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shlex
import sys
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

MODULES = {"nvidia-ml-py": "pynvml", "typing-extensions": "typing_extensions"}
"""Package → its module, where that is called otherwise."""


def version(package: str) -> str | None:
    """As it is installed; None: it is not."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def pip_install(*arguments: str) -> str:
    """The command that installs them for this Python, to be typed in a shell.

    An environment made by uv has no pip; uv installs into it from outside.
    """
    there = importlib.util.find_spec("pip") is not None
    tool = [sys.executable, "-m", "pip", "install"]
    if not there:
        tool = ["uv", "pip", "install", "--python", sys.executable]
    return shlex.join([*tool, *arguments])


def extra_install(extra: str) -> str:
    """The command that adds what an *extra* of energyctl brings.

    It names the clone that energyctl was installed from; where that is gone, or it came otherwise,
    the packages themselves: an index may have another energyctl.
    """
    try:
        installed = metadata.distribution("energyctl")
    except metadata.PackageNotFoundError:  # run from its folder
        return pip_install(f"{Path(__file__).parents[2]}[{extra}]")
    notes = [file for file in installed.files or () if file.name == "direct_url.json"]
    origin = json.loads(notes[0].read_text(encoding="utf-8")) if notes else {}
    clone = Path(unquote(urlsplit(origin.get("url", "file:///")).path))
    if (clone / "pyproject.toml").is_file():
        editable = origin.get("dir_info", {}).get("editable", False)
        return pip_install(*["-e"] * editable, f"{clone}[{extra}]")
    asked = [line.partition(";") for line in installed.requires or ()]
    return pip_install(
        *(package.strip() for package, _, when in asked if re.search(rf"extra == .{extra}\b", when))
    )


def problems() -> list[str]:
    """A line with its cure for each package that is missing, too old, or does not load."""
    asked = [line for line in metadata.requires("energyctl") or () if "extra ==" not in line]
    return [problem for line in asked if (problem := _problem(line))]


def _problem(asked: str) -> str | None:
    """asked: as ``click>=8.1``."""
    package = re.split(r"[^A-Za-z0-9._-]", asked, maxsplit=1)[0]
    least = re.search(r">=([0-9.]+)", asked)
    there, cure = version(package), pip_install(asked)
    if there is None:
        return f"{package} is not installed: {cure}"
    if least and _numbers(there) < _numbers(least[1]):
        return f"{package} {there} is older than {least[1]}: {cure}"
    try:
        importlib.import_module(MODULES.get(package, package))
    except Exception as error:
        return f"{package} {there} does not load ({error!r}): {cure} --force-reinstall"
    return None


def _numbers(text: str) -> list[int]:
    release = re.match(r"[0-9.]+", text)
    return [int(number) for number in release[0].strip(".").split(".")] if release else []
