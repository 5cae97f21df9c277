"""Measures the energy of a training while the machine is under load from other trainings."""

__version__ = "0.1.0"
