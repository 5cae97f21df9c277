"""Measures the energy of a training while the machine is under load from other trainings.

`energyctl.Meter` meters a block of Python code, `energyctl.load` reads results: docs/python.md.
"""

__version__ = "0.1.0"

# As typing's: importing typing would make every start of the launcher slower.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from energyctl.energy import Energy
    from energyctl.errors import EnergyctlError, MachineError, SettingsError
    from energyctl.meters.meter import Meter, MeteredPhase, PhaseEnergy
    from energyctl.results.api import Run, Runs, load

__all__ = [
    "Energy",
    "EnergyctlError",
    "MachineError",
    "Meter",
    "MeteredPhase",
    "PhaseEnergy",
    "Run",
    "Runs",
    "SettingsError",
    "__version__",
    "charts",
    "figures",
    "load",
]

_MODULES = {"charts", "figures"}
_HOMES = {
    "Energy": "energyctl.energy",
    "EnergyctlError": "energyctl.errors",
    "MachineError": "energyctl.errors",
    "SettingsError": "energyctl.errors",
    "Meter": "energyctl.meters.meter",
    "MeteredPhase": "energyctl.meters.meter",
    "PhaseEnergy": "energyctl.meters.meter",
    "Run": "energyctl.results.api",
    "Runs": "energyctl.results.api",
    "load": "energyctl.results.api",
}


if not TYPE_CHECKING:  # a type checker shall find a misspelled name

    def __getattr__(name: str) -> object:
        """Imports what is exported at its first use: `import energyctl` alone costs nothing."""
        if name not in _HOMES and name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        if name in _MODULES:
            return import_module(f"energyctl.{name}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
