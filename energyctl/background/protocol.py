"""What energyctl and its guard inside supervisord agree on."""

from __future__ import annotations

from pathlib import Path

from energyctl import launchers

GROUP_PREFIX = "energyctl-"
"""Begins the name of every group of ours; no other group is ever touched."""

STOP_WAIT_SECONDS = 10
"""From TERM to KILL, for a job of a group."""

JOB = "ENERGYCTL_JOB"
"""The variable that names its job to each process of a background."""

LAUNCHER = Path(launchers.__file__).with_name("iterate.py")
