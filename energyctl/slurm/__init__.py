"""Campaigns on a Slurm cluster: one task a run, each alone on its node, each run once.

submit       a campaign → arrays of tasks          task       what a task does
claims       which attempt at a run counts         attempts   their files, until they count
overview     a campaign across the nodes           commands   the only door to Slurm
"""
