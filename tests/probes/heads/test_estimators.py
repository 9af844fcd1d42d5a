import pytest
from sklearn.utils.estimator_checks import check_estimator

from probes.heads.fewshot import CacheHead, PrototypeHead
from probes.heads.linear import DiscriminantHead, LogisticHead, RidgeHead
from probes.heads.nearest import MahalanobisHead, NearestMeanHead, NeighboursHead
from probes.heads.one_class import KnownClassesHead, RealOnlyHead
from probes.heads.patch import PatchHead

HEADS = (
    LogisticHead,
    RidgeHead,
    DiscriminantHead,
    NearestMeanHead,
    MahalanobisHead,
    NeighboursHead,
    PrototypeHead,
    CacheHead,
    RealOnlyHead,
    KnownClassesHead,
    PatchHead,
)


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_every_head_is_a_scikit_learn_estimator(head: type) -> None:
    check_estimator(head())
