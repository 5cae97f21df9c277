"""The command line: `main` lists the commands, each has a file of its name in `commands`."""

from __future__ import annotations

from energyctl.cli.main import group, run

__all__ = ["group", "run"]
