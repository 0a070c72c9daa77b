"""Displays of fitted models, in scikit-learn's style; they need matplotlib."""

from sparsestat.plotting._abundance_map import AbundanceMapDisplay
from sparsestat.plotting._band_weight import BandWeightDisplay
from sparsestat.plotting._coefficient_intervals import CoefficientIntervalDisplay
from sparsestat.plotting._coefficient_path import CoefficientPathDisplay
from sparsestat.plotting._communication import CommunicationDisplay
from sparsestat.plotting._cross_validation import CrossValidationDisplay
from sparsestat.plotting._decoder import DecoderDisplay
from sparsestat.plotting._endmember import EndmemberDisplay
from sparsestat.plotting._evidence_trace import EvidenceTraceDisplay
from sparsestat.plotting._guidance_map import GuidanceMapDisplay
from sparsestat.plotting._kronecker_support import KroneckerSupportDisplay
from sparsestat.plotting._segments import SegmentDisplay
from sparsestat.plotting._simplex_map import SimplexMapDisplay
from sparsestat.plotting._subset_size import SubsetSizeDisplay

__all__ = [
    "AbundanceMapDisplay",
    "BandWeightDisplay",
    "CoefficientIntervalDisplay",
    "CoefficientPathDisplay",
    "CommunicationDisplay",
    "CrossValidationDisplay",
    "DecoderDisplay",
    "EndmemberDisplay",
    "EvidenceTraceDisplay",
    "GuidanceMapDisplay",
    "KroneckerSupportDisplay",
    "SegmentDisplay",
    "SimplexMapDisplay",
    "SubsetSizeDisplay",
]
