"""Fixtures that every test may ask for."""

from bench import bench

__all__ = ["bench"]
