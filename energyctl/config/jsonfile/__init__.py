"""JSON files that people write: read with the place of every value, and judged in words.

Shared by the settings and the registry; knows the meaning of neither.
"""
