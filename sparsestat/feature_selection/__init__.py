"""Selection of features as a step of a pipeline."""

from sparsestat.feature_selection._best_subset import BestSubsetSelector

__all__ = ["BestSubsetSelector"]
