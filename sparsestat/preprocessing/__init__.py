"""Transformers of spectra before they are unmixed: bad bands, scales, noise, shapes."""

from sparsestat.preprocessing._bands import BadBandRemover, BandNormalizer
from sparsestat.preprocessing._continuum import ContinuumRemoval
from sparsestat.preprocessing._mnf import MNF

__all__ = ["MNF", "BadBandRemover", "BandNormalizer", "ContinuumRemoval"]
