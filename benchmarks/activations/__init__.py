"""Maps to the simplex, their losses, and decoding: times of calls, beside the peers.

==== =========================================================================
A    sparsemax of rows: many short ones to few long ones
B    1.5-entmax of the same rows
C    entmax of order 1.25, which peers can only bisect
D    sparsemax loss of labels with its gradient
E    Bregman decoding of distributions over 150000 tokens
==== =========================================================================

Rows are normal scores times a scale, in float32. The memory's own speed is measured
beside: two reads of the scores and one write.
"""

from benchmarks.activations._calls import Row, calls_case

TITLE = "Maps to the simplex"

_ROWS = [
    Row(100_000, 10, 1.0),
    Row(4_096, 1_000, 1.0),
    Row(4_096, 1_000, 5.0),
    Row(256, 50_000, 1.0),
    Row(64, 200_000, 1.0),
    Row(64, 200_000, 5.0),
]

CASES = [
    calls_case("A", "Sparsemax", "sparsemax", _ROWS),
    calls_case("B", "1.5-entmax", "entmax15", _ROWS),
    calls_case("C", "Entmax of order 1.25", "entmax125", _ROWS[1:5:3]),
    calls_case("D", "Sparsemax loss with gradient", "loss", [Row(100_000, 100, 1.0)]),
    calls_case(
        "E",
        "Bregman decoding, Zipf's law",
        "decode",
        [Row(8, 150_000, 1.1)],
        per_row=True,
    ),
]
