"""Blocks whose figures are known to the last digit: what tests of comparisons share."""

ALONE = (812.4, 1203.9, 655.0, 1490.2, 934.7, 1101.3, 720.8, 1388.6)
BESIDE = (840.1, 1239.4, 684.2, 1541.0, 958.3, 1149.9, 744.0, 1441.7)
"""Joules of eight blocks."""
ALONE_FIRST = (1, 4, 6, 7)
"""The blocks in which the run alone came first."""
CELLS = (
    (1000, 1310, 820, 1105),
    (1062, 1398, 866, 1181),
    (905, 1192, 741, 1004),
    (978, 1290, 803, 1079),
    (890, 1171, 729, 985),
)
"""Five blocks of a 2 x 2 factorial: neither, A, B, both."""
