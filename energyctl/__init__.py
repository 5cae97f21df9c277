"""Measures the energy of a training while the machine is under load from other trainings.

`energyctl.Meter` meters a block of Python code, `energyctl.load` reads results: docs/python.md.
"""

__version__ = "0.1.0"

# Name → the module that holds it; None: it is a module itself. The types stand in __init__.pyi.
_HOMES = {
    "Energy": "energyctl.energy",
    "EnergyctlError": "energyctl.errors",
    "MachineError": "energyctl.errors",
    "Meter": "energyctl.meters.meter",
    "MeteredPhase": "energyctl.meters.meter",
    "PhaseEnergy": "energyctl.meters.meter",
    "Run": "energyctl.results.api",
    "Runs": "energyctl.results.api",
    "SettingsError": "energyctl.errors",
    "charts": None,
    "compare": "energyctl.analysis.comparing",
    "figures": None,
    "load": "energyctl.results.api",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    """Imports what is exported at its first use: `import energyctl` alone costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    home = _HOMES[name]
    return (
        import_module(f"energyctl.{name}") if home is None else getattr(import_module(home), name)
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
