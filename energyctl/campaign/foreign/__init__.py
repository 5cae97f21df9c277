"""What ran on the machine and belongs neither to a campaign's trainings nor to energyctl.

`Watch` looks at the machine at both ends of an interval; `ForeignLoad` is what it saw between.
"""
