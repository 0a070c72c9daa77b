"""Every datafit against its definition."""

import numpy as np
import pytest

from sparsestat.optim import datafits
from sparsestat.optim.datafits import (
    dual_value,
    dual_variable,
    least_loss,
    loss,
    second_derivative,
)
from sparsestat.utils.dispatch import kernel

# Targets of each: with signs, with two values, with zeros, positive ones.
TARGETS = {
    datafits.Quadratic: [-1.5, 0.0, 2.0],
    datafits.Logistic: [-1.0, 1.0, 1.0],
    datafits.Poisson: [0.0, 1.0, 3.0],
    datafits.Gamma: [0.2, 1.0, 3.0],
}
INSTANCES = [cls() for cls in TARGETS]
each = pytest.mark.parametrize("datafit", INSTANCES, ids=str)
Z = np.array([0.5, -2.0, 1.0])


def targets(datafit):
    return np.array(TARGETS[type(datafit)])


def test_every_datafit_is_tested():
    exported = (getattr(datafits, name) for name in datafits.__all__)
    classes = {found for found in exported if isinstance(found, type)}
    # Others are not of single predictions.
    classes = {cls for cls in classes if second_derivative.registered(cls)}
    assert classes == {type(datafit) for datafit in INSTANCES}


@each
def test_derivatives_are_those_of_the_loss(datafit):
    y, h = targets(datafit), 1e-5
    ahead, here, behind = (loss(datafit, y, Z + t) for t in (h, 0.0, -h))
    slope = (ahead - behind) / (2 * h)
    np.testing.assert_allclose(dual_variable(datafit, y, Z), -slope, atol=1e-8)
    bend = (ahead - 2 * here + behind) / h**2
    np.testing.assert_allclose(second_derivative(datafit, y, Z), bend, atol=1e-4)


@each
@pytest.mark.parametrize("u", [-1.2, -0.6, 0.0, 0.7, 1.3])
def test_dual_value_is_the_negative_conjugate(datafit, u):
    # -f*(y, -u) = inf_z f(y, z) + u z.
    z = np.linspace(-30.0, 30.0, 600001)
    for y in targets(datafit):
        values = loss(datafit, y, z) + u * z
        found = dual_value(datafit, y, u)
        if np.isinf(found):
            assert values.argmin() in (0, len(z) - 1)  # falls for ever
        else:
            assert found == pytest.approx(values.min(), abs=1e-6)


@each
def test_domain_of_the_dual_is_closed(datafit):
    edges = {datafits.Logistic: [0.0, 1.0], datafits.Gamma: [-1.0]}
    for y in targets(datafit):
        for edge in edges.get(type(datafit), []):
            u = edge * y if type(datafit) is datafits.Logistic else edge
            assert dual_value(datafit, y, u) == 0.0
        if type(datafit) is datafits.Poisson:
            assert dual_value(datafit, y, y) == 0.0


@each
def test_least_loss_is_the_infimum(datafit):
    z = np.linspace(-40.0, 40.0, 800001)
    for y in targets(datafit):
        brute = loss(datafit, y, z).min()
        assert least_loss(datafit, y) == pytest.approx(brute, abs=1e-8)


@each
def test_weak_duality_is_tight_at_the_dual_variable(datafit):
    y = targets(datafit)
    u = dual_variable(datafit, y, Z)
    np.testing.assert_allclose(
        loss(datafit, y, Z) + u * Z, dual_value(datafit, y, u), atol=1e-13
    )
    assert (
        loss(datafit, y, Z) >= dual_value(datafit, y, u + 0.3) - (u + 0.3) * Z
    ).all()
    for share in (0.0, 0.4):  # scaling keeps the domain
        assert np.isfinite(dual_value(datafit, y, share * u)).all()


@each
def test_losses_do_not_overflow_early(datafit):
    y, far = targets(datafit), np.array([-300.0, 300.0, 300.0])
    for z in (far, -far):
        assert np.isfinite(loss(datafit, y, z)).all()
        assert np.isfinite(dual_variable(datafit, y, z)).all()
        assert (second_derivative(datafit, y, z) >= 0.0).all()


@kernel
def all_compiled(datafit, y, z):
    u = dual_variable(datafit, y, z)
    return loss(datafit, y, z), u, dual_value(datafit, y, u)


def test_compiled_meaning_of_squares_is_the_python_one():
    datafit = datafits.Quadratic()  # the others are of arrays, by numpy and scipy
    for y, z in zip(targets(datafit), Z, strict=True):
        np.testing.assert_allclose(
            all_compiled(datafit, y, z), all_compiled.py_func(datafit, y, z), 1e-14
        )


def test_multinomial_loss_and_its_dual():
    datafit, rng = datafits.Multinomial(), np.random.default_rng(0)
    y, z = np.array([2.0, 0.0, 1.0]), rng.standard_normal((3, 3))
    u = dual_variable(datafit, y, z)
    for k in range(3):
        step = np.zeros((3, 3))
        step[:, k] = 1e-6
        ahead, behind = loss(datafit, y, z + step), loss(datafit, y, z - step)
        np.testing.assert_allclose(-u[:, k], (ahead - behind) / 2e-6, atol=1e-8)
    tight = loss(datafit, y, z) + np.sum(u * z, axis=1)
    np.testing.assert_allclose(tight, dual_value(datafit, y, u), atol=1e-14)
    for other in rng.standard_normal((50, 3, 3)):
        reached = loss(datafit, y, other) + 0.6 * np.sum(u * other, axis=1)
        assert (dual_value(datafit, y, 0.6 * u) <= reached + 1e-14).all()
    assert (dual_value(datafit, y, 2.0 * u + 1.0) == -np.inf).all()
    assert not least_loss(datafit, y).any()
    two = np.column_stack([np.zeros(3), z[:, 0]])
    np.testing.assert_allclose(
        loss(datafit, np.array([1.0, 0.0, 1.0]), two),
        loss(datafits.Logistic(), np.array([1.0, -1.0, 1.0]), z[:, 0]),
    )


def test_other_classes_are_refused():
    for operation in (loss, dual_value, dual_variable, second_derivative):
        with pytest.raises(TypeError, match="str is not a datafit"):
            operation("text", 1.0, 1.0)
    with pytest.raises(TypeError, match="str is not a datafit"):
        least_loss("text", 1.0)
