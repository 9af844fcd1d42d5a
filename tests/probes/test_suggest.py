import numpy as np

from probes.suggest import suggest, uncertainty


def test_uncertainty_is_the_lack_of_a_lead() -> None:
    assert uncertainty(np.array([0.5, 0.0, 1.0, 0.75])).tolist() == [1, 0, 0, 0.5]
    several = np.array([[0.4, 0.4, 0.2], [0.7, 0.2, 0.1]])
    assert np.allclose(uncertainty(several), [1, 0.5])


def test_unsure_pictures_that_differ_come_first() -> None:
    # Two unsure twins at angle 0, one unsure at 90 degrees, one sure at 180.
    X = np.array([[1.0, 0.0], [1.0, 0.001], [0.0, 1.0], [-1.0, -1.0]])
    found = suggest(X, np.array([0.5, 0.5, 0.45, 0.99]), np.zeros((0, 2)), count=3)
    assert set(found[:2].tolist()) in ({0, 2}, {1, 2})
    assert found[:2].tolist() != [0, 1]


def test_what_is_known_already_is_not_asked_again() -> None:
    X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    found = suggest(X, np.array([0.5, 0.5, 0.5]), np.array([[1.0, 0.0]] * 2), count=3)
    assert found[-1] == 0
