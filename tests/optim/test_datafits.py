"""Every datafit against its definition."""

import numpy as np
import pytest

from sparsestat.optim import datafits
from sparsestat.optim.datafits import dual_value, dual_variable, loss
from sparsestat.utils.dispatch import kernel

INSTANCES = [datafits.Quadratic()]
each = pytest.mark.parametrize("datafit", INSTANCES, ids=str)
Y = np.array([-1.5, 0.0, 2.0])
Z = np.array([0.5, -2.0, 1.0])


def test_every_datafit_is_tested():
    exported = (getattr(datafits, name) for name in datafits.__all__)
    classes = {found for found in exported if isinstance(found, type)}
    # These are tested in test_losses.py and test_cox.py.
    classes -= {datafits.Huber, datafits.Quantile, datafits.Cox, datafits.RiskSets}
    assert classes == {type(datafit) for datafit in INSTANCES}


@each
def test_dual_variable_is_the_negative_derivative(datafit):
    h = 1e-6
    slope = (loss(datafit, Y, Z + h) - loss(datafit, Y, Z - h)) / (2 * h)
    np.testing.assert_allclose(dual_variable(datafit, Y, Z), -slope, atol=1e-8)


@each
@pytest.mark.parametrize("u", [-1.2, 0.0, 0.7])
def test_dual_value_is_the_negative_conjugate(datafit, u):
    # -f*(y, -u) = inf_z f(y, z) + u z.
    z = np.linspace(-10.0, 10.0, 200001)
    for y in Y:
        brute = (loss(datafit, y, z) + u * z).min()
        assert dual_value(datafit, y, u) == pytest.approx(brute, abs=1e-8)


@each
def test_weak_duality_is_tight_at_the_dual_variable(datafit):
    u = dual_variable(datafit, Y, Z)
    np.testing.assert_allclose(
        loss(datafit, Y, Z) + u * Z, dual_value(datafit, Y, u), atol=1e-14
    )
    assert (
        loss(datafit, Y, Z) >= dual_value(datafit, Y, u + 0.3) - (u + 0.3) * Z
    ).all()


@kernel
def all_compiled(datafit, y, z):
    u = dual_variable(datafit, y, z)
    return loss(datafit, y, z), u, dual_value(datafit, y, u)


@each
def test_compiled_meaning_is_the_python_one(datafit):
    for y, z in zip(Y, Z, strict=True):
        np.testing.assert_allclose(
            all_compiled(datafit, y, z), all_compiled.py_func(datafit, y, z), 1e-14
        )


def test_other_classes_are_refused():
    for operation in (loss, dual_value, dual_variable):
        with pytest.raises(TypeError, match="str is not a datafit"):
            operation("text", 1.0, 1.0)
