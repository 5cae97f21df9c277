"""Fixtures that every test may ask for."""

from bench import bench
from hardware.vendor import vendor

__all__ = ["bench", "vendor"]
