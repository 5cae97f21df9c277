"""The error tree. A message says what is wrong, where, and what to do about it.

EnergyctlError
├── SettingsError   exit 2: the settings, the registry, a template or the command line is wrong
├── MachineError    exit 3: this machine cannot (no supervisord, lock held, a meter missing)
└── RunError        exit 1: one run could not be finished

Edges map foreign errors to these; only the command line prints them and exits.
"""

from __future__ import annotations


class EnergyctlError(Exception):
    """Base of every error that is shown to the user without a traceback: a line each argument."""

    exit_code = 1

    def __str__(self) -> str:
        return "\n".join(str(line) for line in self.args)


class SettingsError(EnergyctlError):
    """A settings file, the registry, a template or an argument is wrong; nothing was started."""

    exit_code = 2


class MachineError(EnergyctlError):
    """This machine cannot do it; nothing was started."""

    exit_code = 3


class RunError(EnergyctlError):
    """One run failed for a reason outside the training itself."""


class BackgroundLost(RunError):
    """The background, or the daemon that keeps it, went away while it was needed."""


class Interrupted(BaseException):
    """A signal asked energyctl to end; carries its number.

    Derives from BaseException, as KeyboardInterrupt does, so that no handler of errors takes it
    for a failed run.
    """

    exit_code = 130

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
