"""Which of the modules called `pynvml` is installed.

The package nvidia-ml-py has the one that is meant; pynvml 8 to 11, which other packages bring,
lies over it in the same environment.
"""

from __future__ import annotations

import importlib
from importlib import metadata

NEWEST = "NVML_FI_DEV_POWER_INSTANT"
"""Of all names that are used, the one that came last."""


def problem() -> str | None:
    """Why it cannot be used, and what to do; None: it can."""
    try:
        module = importlib.import_module("pynvml")
    except ImportError as error:
        return f"the module pynvml cannot be imported ({error}): pip install nvidia-ml-py"
    if hasattr(module, NEWEST):
        return None
    others = [n for n in metadata.packages_distributions().get("pynvml", ()) if n != "nvidia-ml-py"]
    if not others:
        return f"the module pynvml is too old ({module.__file__}): pip install -U nvidia-ml-py"
    named = ", ".join(f"{name} {metadata.version(name)}" for name in others)
    return (
        f"the module pynvml is that of another package, {named} ({module.__file__}), and GPUs are "
        f"not read by it: pip uninstall {' '.join(others)}, then pip install --force-reinstall "
        'nvidia-ml-py; or "gpus": [] where GPUs do not matter'
    )
