"""Best subsets: times beside abess at the residuals that they reach, and optimality.

==== =========================================================================
A    paths and single sizes, dense and sparse, groups, folds, beside abess
B    exact search: nodes and times
C    how often the optimum is missed, by correlation and signal, 40 draws each
D    classes, counts, amounts and survival beside abess, with the deviances reached
E    proofs with a ridge and fewer samples than features, beside l0bnb
F    the first fit of a process beside abess
==== =========================================================================
"""

from benchmarks.best_subset import _cold, _likelihoods, _relaxations, _study, _times

TITLE = "Best subsets"

CASES = [
    _times.CASE,
    _times.EXACT,
    _study.CASE,
    _likelihoods.CASE,
    _relaxations.CASE,
    _cold.CASE,
]
