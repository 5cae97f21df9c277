"""Which of the modules called `pynvml` is installed.

The package nvidia-ml-py has the one that is meant; pynvml 8 to 11, which other packages bring,
lies over it in the same environment.
"""

from __future__ import annotations

import importlib
import sys
from importlib import metadata

from energyctl.system.dependencies import pip_install

NEWEST = "NVML_FI_DEV_POWER_INSTANT"
"""Of all names that are used, the one that came last."""


def problem() -> str | None:
    """Why it cannot be used, and what to do; None: it can."""
    try:
        module = importlib.import_module("pynvml")
    except ImportError as error:
        return f"the module pynvml cannot be imported ({error}): {pip_install('nvidia-ml-py')}"
    if hasattr(module, NEWEST):
        return None
    others = [n for n in metadata.packages_distributions().get("pynvml", ()) if n != "nvidia-ml-py"]
    if not others:
        cure = pip_install("-U", "nvidia-ml-py")
        return f"the module pynvml is too old ({module.__file__}): {cure}"
    cure = pip_install("--force-reinstall", "nvidia-ml-py")
    named = ", ".join(f"{name} {metadata.version(name)}" for name in others)
    return (
        f"the module pynvml is that of another package, {named} ({module.__file__}), and GPUs are "
        f"not read by it: {sys.executable} -m pip uninstall {' '.join(others)}, then "
        f'{cure}; or "gpus": [] where GPUs do not matter'
    )
