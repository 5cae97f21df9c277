"""Notebooks as plain processes: the program stands alone, for the interpreters of repositories."""
