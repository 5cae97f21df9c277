"""The library of AMD's driver, libamd_smi.so, by its Python module `amdsmi`.

ROCm brings both, the module as a folder that no Python finds by itself
(/opt/rocm/share/amd_smi); PyPI has the module alone. One of another version asks the library for
functions that it does not have, and cannot be imported (AMD SMI documentation, "Install the Python
library for multiple ROCm instances").
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from energyctl.system.dependencies import extra_install, pip_install

ROCM = Path("/opt/rocm")
NEVER = (2, 3)
"""AMDSMI_STATUS_NOT_SUPPORTED, AMDSMI_STATUS_NOT_YET_IMPLEMENTED (amdsmi.h)."""


class AmdError(Exception):
    """The library does not tell. never: nor will it at another time."""

    def __init__(self, reason: str, *, never: bool = False) -> None:
        super().__init__(reason)
        self.never = never


class Library:
    """The library, started.

    In the whole process calls are made one after the other: before ROCm 7.2 it is not safe to make
    them from several threads at once. The last user ends it: it does not count how often it was
    started.
    """

    _turn = threading.Lock()
    _users = 0

    def __init__(self) -> None:
        """AmdError where it cannot be had, or does not start, with the cure."""
        self._module = _module()
        try:
            self.ask("amdsmi_init")
        except AmdError as error:
            raise AmdError(f"AMD's library does not start: {error}") from error
        Library._users += 1

    def ask(self, function: str, *arguments: Any) -> Any:
        """Its answer. Raises AmdError, whatever the module raises."""
        call = getattr(self._module, function, None)
        if call is None:
            raise AmdError(f"this amdsmi has no {function}", never=True)
        with self._turn:
            try:
                return call(*arguments)
            except Exception as error:  # of the foreign module: also what it stumbles over itself
                raise _error_of(error) from error

    def constant(self, kind: str, name: str) -> Any:
        """Of an enumeration of the module: ``constant("AmdSmiClkType", "GFX")``."""
        return getattr(getattr(self._module, kind), name)

    def close(self) -> None:
        Library._users -= 1
        if not Library._users:
            with contextlib.suppress(AmdError):
                self.ask("amdsmi_shut_down")


def number(told: Any) -> float | None:
    """A figure of the library; None for "N/A", and for the largest value of 16, 32 or 64 bits,
    by which it says the same where the module does not translate it."""
    if isinstance(told, bool) or not isinstance(told, int | float):
        return None
    return None if told in (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF) else float(told)


def _error_of(error: Exception) -> AmdError:
    code = getattr(error, "err_code", None)
    reason = getattr(error, "err_info", None) or str(error) or type(error).__name__
    return AmdError(" ".join(str(reason).split()), never=code in NEVER)


def _module() -> Any:
    """The module that Python finds, else that of ROCm. Raises AmdError."""
    try:
        return _imported()
    except AmdError as error:
        reason = error
    folder = _folder_of_rocm()
    if folder.is_dir():
        with _found_first(folder), contextlib.suppress(AmdError):
            return _imported()
    cure = pip_install(str(folder)) if folder.is_dir() else extra_install("amd")
    raise AmdError(
        f"the module amdsmi cannot be used ({reason}): {cure}; it has to be of the version of ROCm"
    ) from reason


def _imported() -> Any:
    """Raises AmdError. The module prints why it does not find the library, and then stumbles."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            return importlib.import_module("amdsmi")
    except Exception as error:
        for name in [name for name in sys.modules if name.partition(".")[0] == "amdsmi"]:
            del sys.modules[name]
        printed = said.getvalue().strip().partition("\n")[0]
        raise AmdError(printed or str(error) or type(error).__name__) from error


def _folder_of_rocm() -> Path:
    root = os.environ.get("ROCM_HOME") or os.environ.get("ROCM_PATH")
    return (Path(root) if root else ROCM) / "share" / "amd_smi"


@contextlib.contextmanager
def _found_first(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
