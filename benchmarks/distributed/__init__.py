"""Data held in parts: errors, supports and bytes; rows that no machine holds.

==== =========================================================================
A    Best subsets on shards: pooled, exact, surrogate, local fits, debiased Lasso
B    How often criteria find the size, over the number of rows
C    Second moments of rows that are made on the workers, beside dask's products
==== =========================================================================
"""

from benchmarks.distributed import _rows, _selection

TITLE = "Data held in parts"

CASES = [*_selection.CASES, *_rows.CASES]
