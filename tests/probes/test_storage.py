import json
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import DfindexError, StoreError, UsageError
from probes.choices import REAL_ONLY, FeatureKind, Target
from probes.features import FeatureSpec
from probes.heads.registry import HEADS
from probes.recipe import Recipe, fit
from probes.storage import Probe, load_probe, save_probe
from tests.marks import mostly_slow
from tests.probes.points import dataset, halves


def trained(recipe: Recipe, **known: object) -> tuple[Probe, np.ndarray]:
    data = dataset(halves(20))
    groups = np.arange(len(data)).astype(str)
    values = {
        "name": "gan",
        "target": Target.FAKE,
        "classes": data.classes,
        "features": FeatureSpec(FeatureKind.CLS, ("0123456789abcdef",)),
        "encoders": ({"name": "some-encoder"},),
        "recipe": recipe,
        "detector": fit(recipe, data.X, data.y, groups),
        "training": tuple(one.sha256 for one in data.records),
        "label_counts": data.counts(),
        "labels_sha256": "0" * 64,
        "where": None,
        "threshold": 0.25,
        "figures": None,
        "made_at": "2026-01-01T00:00:00Z",
        "versions": {"numpy": np.__version__},
    }
    return Probe(**(values | known)), data.X


@pytest.mark.parametrize("method", [*HEADS, REAL_ONLY, "auto"])
def test_a_probe_read_back_gives_identical_scores(method: str, tmp_path: Path) -> None:
    probe, X = trained(Recipe(method=method))
    save_probe(tmp_path / "gan", probe)
    again = load_probe(tmp_path / "gan")
    want = probe.detector.probabilities(X)
    assert again.detector.probabilities(X).tobytes() == want.tobytes()
    assert again.detector.choice == probe.detector.choice
    assert (again.training, again.threshold) == (probe.training, 0.25)
    assert again.features == probe.features


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["attention", "max"])
def test_a_patch_probe_read_back_gives_identical_scores(pooling: str, tmp_path: Path) -> None:
    probe, X = trained(Recipe(method="logistic", pooling=pooling, tokens=4))
    save_probe(tmp_path / "gan", probe)
    again = load_probe(tmp_path / "gan").detector
    assert again.probabilities(X).tobytes() == probe.detector.probabilities(X).tobytes()
    assert (again.head.patch_scores(X) == probe.detector.head.patch_scores(X)).all()


def test_an_open_set_is_kept_too(tmp_path: Path) -> None:
    probe, X = trained(Recipe(method="lda", open_set=True))
    save_probe(tmp_path / "gan", probe)
    again = load_probe(tmp_path / "gan").detector
    assert again.known is not None
    assert probe.detector.known is not None
    want = probe.detector.known.score_samples(X)
    assert again.known.score_samples(X).tobytes() == want.tobytes()
    assert again.is_unknown(10 * X).tolist() == probe.detector.is_unknown(10 * X).tolist()
    assert again.probabilities(X).tobytes() == probe.detector.probabilities(X).tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["logistic", "auto"])
def test_the_same_recipe_on_the_same_samples_makes_the_same_bytes(
    method: str, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        save_probe(tmp_path / name, trained(Recipe(method=method))[0])
    for file in ("head.safetensors", "card.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("file", ["head.safetensors", "card.json"])
@pytest.mark.parametrize("share", mostly_slow([0.1, 0.5, 0.9], quick=1))
def test_a_flipped_byte_is_noticed(file: str, share: float, tmp_path: Path) -> None:
    save_probe(tmp_path / "gan", trained(Recipe(method="ridge"))[0])
    path = tmp_path / "gan" / file
    data = bytearray(path.read_bytes())
    data[int(share * len(data))] ^= 1
    path.write_bytes(data)
    with pytest.raises(DfindexError, match=r"damaged|checksum"):
        load_probe(tmp_path / "gan")


def test_a_truncated_or_missing_file_is_noticed(tmp_path: Path) -> None:
    save_probe(tmp_path / "gan", trained(Recipe(method="ridge"))[0])
    path = tmp_path / "gan" / "head.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match="does not match its checksum; train the probe again"):
        load_probe(tmp_path / "gan")
    path.unlink()
    with pytest.raises(StoreError, match="is missing"):
        load_probe(tmp_path / "gan")


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    from indexer.store.durable import write_sealed_json

    (tmp_path / "gan").mkdir()
    write_sealed_json(tmp_path / "gan" / "card.json", {"kind": "something else", "format": 7})
    with pytest.raises(StoreError, match="not a probe of format 1: it says kind 'something else'"):
        load_probe(tmp_path / "gan")
    (tmp_path / "gan" / "card.json").write_text(json.dumps({"coef": [1, 2]}))
    with pytest.raises(DfindexError, match="checksum"):
        load_probe(tmp_path / "gan")


def test_an_unknown_name_lists_what_is_there(tmp_path: Path) -> None:
    save_probe(tmp_path / "gan", trained(Recipe(method="ridge"))[0])
    with pytest.raises(UsageError, match="no probe 'flow' in this index; there are: gan"):
        load_probe(tmp_path / "flow")


def test_scores_of_an_older_head_go_when_it_is_trained_again(tmp_path: Path) -> None:
    from indexer.store.catalog.probe_scores import ProbeScores, load_scores, save_scores

    save_probe(tmp_path / "gan", trained(Recipe(method="ridge"))[0])
    kept = ProbeScores(ids=np.arange(3), scores=np.array([0.1, 0.2, 0.3]), spaces=("s",))
    save_scores(tmp_path / "gan", kept)
    assert load_scores(tmp_path / "gan") is not None
    save_probe(tmp_path / "gan", trained(Recipe(method="lda"))[0])
    assert load_scores(tmp_path / "gan") is None
