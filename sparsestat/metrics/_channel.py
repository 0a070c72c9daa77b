"""What estimates of a wireless channel are worth to the link."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from sparsestat.utils.validation import Interval, check_parameters

__all__ = ["qpsk_error_rate"]

_PARAMETERS = {"snr_db": Interval(-np.inf, np.inf, closed="neither")}


def qpsk_error_rate(
    channels_true: ArrayLike, channels_pred: ArrayLike, *, snr_db: float
) -> float:
    r"""Share of QPSK symbols lost by a beam chosen after an estimated channel.

    Sender and receiver use the leading singular vectors of the estimated channel; its
    singular value tells the receiver where the four symbols lie. With
    :math:`\varphi` the phase between the true and the expected gain, the noise
    independent in both coordinates and :math:`s = \sqrt{2 \cdot \mathrm{snr}}`, a
    symbol arrives with probability

    .. math:: \Phi(s \cos(\pi / 4 + \varphi)) \, \Phi(s \sin(\pi / 4 + \varphi)) .

    Parameters
    ----------
    channels_true : array-like of shape (..., n_inputs, n_outputs)
        True channels, complex. Several are averaged.

    channels_pred : array-like of the same shape
        Estimated channels.

    snr_db : float
        Power received through the beam over the variance of the noise, in decibels.

    Returns
    -------
    rate : float
        Symbol error rate; 0.75 is that of guessing.

    Raises
    ------
    ValueError
        If the shapes differ or do not have two axes, an entry is not finite, or
        `snr_db` is none.

    See Also
    --------
    nmse : Squared error of the channel itself.
    sklearn.metrics.zero_one_loss : Share of errors of a classification.

    References
    ----------
    .. [1] He, Y. and Joseph, G. (2024). Bayesian algorithms for Kronecker-structured
       sparse vector recovery with application to IRS-MIMO channel estimation.
       :arxiv:`2307.14719`

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.metrics import qpsk_error_rate
    >>> channel = np.outer([1.0, 1.0j], [1.0, 2.0])
    >>> print(f"{qpsk_error_rate(channel, channel, snr_db=8.0):.3f}")
    0.012
    >>> print(f"{qpsk_error_rate(channel, channel + 1.0, snr_db=8.0):.3f}")
    0.031
    """
    check_parameters({"snr_db": snr_db}, _PARAMETERS)
    true, pred = np.asarray(channels_true), np.asarray(channels_pred)
    if true.shape != pred.shape or true.ndim < 2 or not true.size:
        raise ValueError(
            "channels_true and channels_pred must have one shape (..., n_inputs, "
            f"n_outputs); got {true.shape} and {pred.shape}."
        )
    if not (np.isfinite(true).all() and np.isfinite(pred).all()):
        raise ValueError(
            "channels_true and channels_pred must be finite; got NaN or infinity."
        )
    left, sizes, right = np.linalg.svd(pred, full_matrices=False)
    # The expected gain is a singular value, positive: the phase is that of the gain.
    beams = left[..., None, :, 0].conj(), right[..., 0, :, None].conj()
    gain = (beams[0] @ true @ beams[1])[..., 0, 0]
    nothing = (gain == 0.0) | (sizes[..., 0] == 0.0)
    phase = np.where(nothing, 0.0, np.angle(gain)) + np.pi / 4
    spread = np.where(nothing, 0.0, np.sqrt(2.0 * 10.0 ** (snr_db / 10.0)))
    hit = norm.cdf(spread * np.cos(phase)) * norm.cdf(spread * np.sin(phase))
    return float(np.mean(1.0 - hit))
