"""exp and log1p that LLVM can vectorise in the loops of other kernels.

Both reduce their argument to a short interval by the bits of floating point numbers
and go on with a polynomial that interpolates at Chebyshev points; without branches.
They are right to about one unit in the last place.
"""

import numpy as np

from sparsestat.utils.dispatch import kernel

__all__ = ["exp", "log1p"]

_PER_LOG2 = 1.4426950408889634
# log(2) in two parts, the first of which has trailing zeros.
_LOG2, _LOG2_REST = 0.6931467056274414, 4.7493250390316726e-07
# Adding this rounds to an integer, which the last bits hold.
_ROUND = 6755399441055744.0
_ROUND_BITS = np.int64(0x4338000000000000)
# Arguments beyond _FAR are shifted, so that results may be denormal or overflow.
_FAR, _FURTHEST, _SHIFT = 700.0, 755.0, 50.0
_UP, _DOWN = 5.184705528587072e21, 1.9287498479639178e-22
# (exp(r) - 1 - r) / r^2 for |r| <= log(2) / 2.
_E0, _E1, _E2, _E3, _E4, _E5, _E6, _E7, _E8, _E9 = (
    0.5000000000000001,
    0.16666666666666669,
    0.04166666666662413,
    0.008333333333330062,
    0.0013888888917213717,
    0.00019841269863053618,
    2.4801521295954376e-05,
    2.7557268459997064e-06,
    2.7620088445409746e-07,
    2.510038549551032e-08,
)
# Bits of numbers: exponents are those relative to sqrt(1/2), to the nearest of 2^-21.
_ROOT_BITS = np.int64(0x3FE6A09E00000000)
_OVER_ROOT = np.int64(0x3FF0000000000000 - 0x3FE6A09E00000000)
_MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
_INTEGER_BITS, _INTEGER = np.int64(0x4330000000000000), 4503599627370496.0 + 1023.0
# (log((1 + s) / (1 - s)) / s - 2) / s^2 as a polynomial in s^2.
_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7 = (
    0.6666666666666666,
    0.4000000000000088,
    0.2857142857080285,
    0.22222222391887064,
    0.18181795621632782,
    0.15386240708969665,
    0.13268746195596595,
    0.13086907887965027,
)


# No reassociation: it would undo the rounding.
@kernel(fastmath={"contract"})
def exp(x):
    """exp(x) of a float, NaN where it is NaN."""
    x = _FURTHEST if x > _FURTHEST else x
    x = -_FURTHEST if x < -_FURTHEST else x
    over, under = x > _FAR, x < -_FAR
    x -= _SHIFT if over else 0.0
    x += _SHIFT if under else 0.0
    rounded = x * _PER_LOG2 + _ROUND
    k = rounded - _ROUND
    r = x - k * _LOG2
    r -= k * _LOG2_REST
    s = r * r
    low = _E0 + r * _E1 + s * (_E2 + r * _E3)
    high = _E4 + r * _E5 + s * (_E6 + r * _E7 + s * (_E8 + r * _E9))
    value = 1.0 + (r + s * (low + s * s * high))
    power = (np.float64(rounded).view(np.int64) - _ROUND_BITS + np.int64(1023)) << 52
    value *= np.int64(power).view(np.float64)
    value *= _UP if over else 1.0
    return value * (_DOWN if under else 1.0)


@kernel(fastmath={"contract"})
def log1p(x):
    """log(1 + x) of a finite float that is not negative, NaN where it is NaN."""
    u = 1.0 + x
    bits = np.float64(u).view(np.int64) + _OVER_ROOT
    power = np.int64((bits >> 52) | _INTEGER_BITS).view(np.float64) - _INTEGER
    f = np.int64((bits & _MANTISSA) + _ROOT_BITS).view(np.float64) - 1.0
    s = f / (2.0 + f)
    w = s * s
    v = w * w
    series = _L0 + w * _L1 + v * (_L2 + w * _L3)
    series += v * v * (_L4 + w * _L5 + v * (_L6 + w * _L7))
    # f - s (f - w series) is log(1 + f) with smaller errors than 2 s.
    rest = (x - (u - 1.0)) / u + power * _LOG2_REST
    return power * _LOG2 + (f - (s * (f - w * series) - rest))
