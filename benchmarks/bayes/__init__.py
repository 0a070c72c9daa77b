"""Sparse Bayesian learning: errors, supports and times beside the published methods.

==== =========================================================================
A    A wireless channel by way of a reflecting surface, 50 scenes a level
B    Kronecker-sparse tensors over the level of the noise, 200 draws a point
C    Kronecker-sparse tensors over the rows of the first factor
D    Methods that expand the product, a few draws
E    60^3 unknowns, 40^3 measurements
F    What restarts are worth, where a single one ends in another optimum
G    Message passing on families of matrices on which it used to diverge
H    Message passing, 1000 samples of 4000 features
I    How often the support of 12 sources that correlate in time is missed, 1000 draws
J    The same of 16 sources
K    One variance at a time, beside ARDRegression
L    Relevance vectors on sinc and Friedman's function, beside kernel ridge
M    Probabilities from relevance vectors, beside support vectors with Platt scaling
N    Correlated sources of unit norm, with the published steps
O    The channel under other draws of pilots and patterns
==== =========================================================================
"""

from benchmarks.bayes import _fast, _gamp, _kronecker, _temporal

TITLE = "Sparse Bayesian learning"

CASES = [*_kronecker.CASES, *_gamp.CASES, *_temporal.CASES, *_fast.CASES]
