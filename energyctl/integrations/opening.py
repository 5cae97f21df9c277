"""Opens the store of a tracker, by its library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from energyctl.integrations.store import Store, Target, require


def open_store(target: Target, folder: Path, say: Callable[[str], None]) -> Store:
    """*folder*: of the results, where W&B keeps what is not uploaded yet. *say* hears warnings.

    Imports the library, which takes seconds. Raises SettingsError where it, or something that it
    needs for this target, is missing.
    """
    require(target.to)
    if target.to == "mlflow":
        from energyctl.integrations.mlflow import MlflowStore

        return MlflowStore(target, say)
    from energyctl.integrations.wandb import WandbStore

    return WandbStore(target, folder, say)
