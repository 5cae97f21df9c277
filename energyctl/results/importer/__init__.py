"""Campaigns of the older tool → results of our format.

``folders`` finds, opens and writes; all others are pure.
"""
