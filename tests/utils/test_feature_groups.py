"""Groups of features in all the forms that users may write."""

import numpy as np
import pandas as pd
import pytest

from sparsestat.utils.feature_groups import (
    FEATURE_GROUPS,
    check_feature_groups,
    check_features,
)
from sparsestat.utils.validation import ParameterError


def sets(groups, n_features, **options):
    assert FEATURE_GROUPS.accepts(groups)
    return [
        g.tolist() for g in check_feature_groups(groups, n_features, **options).sets()
    ]


@pytest.mark.parametrize(
    "groups, expected",
    [
        (1, [[0], [1], [2], [3], [4]]),
        (2, [[0, 1], [2, 3], [4]]),
        (np.int64(9), [[0, 1, 2, 3, 4]]),
        ([7, 3, 7, 3, 3], [[1, 3, 4], [0, 2]]),
        (np.array([1.5, 0.5, 1.5, 0.5, 2.0]), [[1, 3], [0, 2], [4]]),
        (("b", "a", "b", "c", "c"), [[1], [0, 2], [3, 4]]),
        (pd.Series(["b", "a", "b", "c", "c"], dtype="category"), [[1], [0, 2], [3, 4]]),
        ([[4, 0], [1, 2, 3]], [[0, 4], [1, 2, 3]]),
        ((np.array([3]), range(3), {4}), [[3], [0, 1, 2], [4]]),
    ],
)
def test_forms(groups, expected):
    assert sets(groups, 5) == expected


@pytest.mark.parametrize(
    "labels",
    [
        [0, -1, 0, 2, -1],
        [0.0, np.nan, 0.0, 2.0, np.nan],
        [0, None, 0, 2, None],
        pd.Series([0, pd.NA, 0, 2, pd.NA], dtype="Int64"),
        ["a", None, "a", "b", np.nan],
        np.array(["a", None, "a", "b", None], dtype=object),
    ],
)
def test_missing_labels_are_unpenalised(labels):
    groups = check_feature_groups(labels, 5)
    assert groups.labels.tolist() == [0, -1, 0, 1, -1]
    assert [g.tolist() for g in groups.sets()] == [[0, 2], [3]]
    assert groups.features.tolist() == [0, 1, 2, 3, 4]


def test_callable_sees_names():
    def by_letter(names):
        return [name[0] for name in names]

    assert sets(by_letter, 3, feature_names=["b1", "a1", "b2"]) == [[1], [0, 2]]
    assert sets(lambda names: [n == "x1" for n in names], 3) == [[0, 2], [1]]


def test_sets_of_names_are_those_of_indices():
    names = {"feature_names": np.array(["a", "b", "c"], dtype=object)}
    assert sets([["c", "a"], ["b"]], 3, **names) == [[0, 2], [1]]
    assert sets([{"c", "a"}, [1]], 3, **names) == [[0, 2], [1]]
    assert sets([pd.Index(["c"]), ["a", "b"]], 3, **names) == [[2], [0, 1]]
    groups = check_feature_groups(
        [["a", "b"], ["b", "c"]], 3, **names, overlap="latent"
    )
    assert groups.features.tolist() == [0, 1, 1, 2]
    with pytest.raises(ValueError, match=r"names of columns of X; got \['d'\]"):
        check_feature_groups([["a", "d"], ["b", "c"]], 3, **names)
    with pytest.raises(ValueError, match="group 0 repeats one"):
        check_feature_groups([["a", "a"], ["b", "c"]], 3, **names)
    twice = check_features(["a"], "always_select", 3, ["a", "b", "a"])
    assert twice.tolist() == [0, 2]


def test_overlap_makes_a_member_for_each_group():
    with pytest.raises(ValueError, match=r"feature 2 is in groups \[0, 1\].*latent"):
        check_feature_groups([[0, 2], [1, 2]], 3)
    groups = check_feature_groups([[2, 0], [1, 2]], 3, overlap="latent")
    assert groups.overlap
    assert groups.features.tolist() == [0, 2, 1, 2]
    assert groups.labels.tolist() == [0, 0, 1, 1]
    assert [g.tolist() for g in groups.sets()] == [[0, 2], [1, 2]]
    assert not check_feature_groups([[0, 2], [1]], 3, overlap="latent").overlap


@pytest.mark.parametrize(
    "groups, message",
    [
        ([0, 1], r"must be of shape \(3,\).* got shape \(2,\)"),
        (np.zeros((3, 1)), r"must be of shape \(3,\).* got shape \(3, 1\)"),
        ([-1, -1, None], "must put some feature into a group"),
        (lambda names: names[:2], r"what feature_groups returns .*\(2,\)"),
        ([[0, 1], [3]], r"group 1 .* must hold indices in \[0, 3\); got 3"),
        ([[0, 1], [-2]], r"group 1 .* must hold indices in \[0, 3\); got -2"),
        ([[0, 1], []], "group 1 of the list is empty"),
        ([[0, 1], [2.0]], "group 1 .* got float64"),
        (
            [["a", "b"], ["c"]],
            r"group 0 .* holds names .* \['a', 'b'\], but X has none",
        ),
        ([[0, 1], ["c", 2]], "group 1 .* either indices or names .* got 2"),
        ([[0, 1], [True, False, True]], "group 1 .* got bool"),
        ([[0, 1, 1], [2]], "group 0 repeats one"),
        ([[0], [2]], "must cover all 3 features; 1 are in no group, feature 1 the"),
        (["a", 1, "b"], "labels that can be sorted"),
        ([1j, 0, 0], "numbers or strings; got complex128"),
    ],
)
def test_errors_say_what_is_wrong(groups, message):
    with pytest.raises(ValueError, match=message):
        check_feature_groups(groups, 3)


@pytest.mark.parametrize("groups", [0, -1, 1.5, True, "ab", {}, None])
def test_what_is_no_form_at_all_is_not_accepted(groups):
    assert not FEATURE_GROUPS.accepts(groups)


def test_errors_about_types_are_type_errors_too():
    with pytest.raises(ParameterError):
        check_feature_groups([1j, 0, 0], 3)
