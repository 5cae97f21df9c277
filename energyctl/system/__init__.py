"""Edge: the invoking user, the private folder, the machine-wide lock, the governor, processes."""

from __future__ import annotations

from energyctl.system.governor import (
    abandoned_governors,
    governor,
    governor_names,
    governor_problem,
    governors,
    restore_abandoned,
)
from energyctl.system.host import process_facts
from energyctl.system.lock import lock, lock_holder, refuse_if_held
from energyctl.system.owner import OWNER, Owner, holding, read_owner
from energyctl.system.private_folder import (
    others_with_folders,
    private_root,
    remove_runtime_folder,
    runtime_folder,
    runtime_path,
)
from energyctl.system.user import User, invoking_user

__all__ = [
    "OWNER",
    "Owner",
    "User",
    "abandoned_governors",
    "governor",
    "governor_names",
    "governor_problem",
    "governors",
    "holding",
    "invoking_user",
    "lock",
    "lock_holder",
    "others_with_folders",
    "private_root",
    "process_facts",
    "read_owner",
    "refuse_if_held",
    "remove_runtime_folder",
    "restore_abandoned",
    "runtime_folder",
    "runtime_path",
]
