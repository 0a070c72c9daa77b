"""Side-by-side benchmarks: ``python -m benchmarks FAMILY``.

Every solver is judged by the same independent certificate (`_certify`), is run
at its own best settings (`_sweep`), in a fresh process with pinned threads
(`_runner`, `_worker`), and every figure of the report comes out of such a run.
"""
