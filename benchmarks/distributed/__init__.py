"""Data held in parts: errors, supports and bytes; rows that no machine holds.

==== =========================================================================
A    Best subsets on shards: pooled, exact, surrogate, local fits, debiased Lasso
B    How often criteria find the size, over the number of rows
C    Second moments of rows on the workers of a cluster, beside dask and dask-ml
==== =========================================================================
"""

from benchmarks.distributed import _rows, _selection

TITLE = "Data held in parts"

CASES = [*_selection.CASES, *_rows.CASES]
