"""Hostile trainings, clones, folders and strangers. Standard library only."""
