"""Sparse recovery: how many nonzeros measurements bear, and in how many steps.

==== =========================================================================
A    Share of signals found, Gaussian and flat amplitudes, over m / n and s / m
B    Steps and times of methods that find them
C    Times on 1000 x 5000, for one signal and for more of them
==== =========================================================================
"""

from benchmarks.recovery import _transition

TITLE = "Sparse recovery"

CASES = [*_transition.CASES]
