"""The packages that energyctl is installed with: whether each is there, new enough, and works."""

from __future__ import annotations

import importlib
import re
from importlib import metadata

MODULES = {"nvidia-ml-py": "pynvml", "typing-extensions": "typing_extensions"}
"""Package → its module, where that is called otherwise."""


def version(package: str) -> str | None:
    """As it is installed; None: it is not."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def problems() -> list[str]:
    """A line with its cure for each package that is missing, too old, or does not load."""
    asked = [line for line in metadata.requires("energyctl") or () if "extra ==" not in line]
    return [problem for line in asked if (problem := _problem(line))]


def _problem(asked: str) -> str | None:
    """asked: as ``click>=8.1``."""
    package = re.split(r"[^A-Za-z0-9._-]", asked, maxsplit=1)[0]
    least = re.search(r">=([0-9.]+)", asked)
    there, cure = version(package), f"pip install '{asked}'"
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
