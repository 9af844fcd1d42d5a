"""The traps that public code falls into, one test each; numbers as in what is known of the models.

Traps 2 and 3 (broken exports, inventories) are in test_layouts.py; 8 (a random pooler) also in
test_registry.py; 10 (a detector of unknown design) in test_published.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from indexer.encoders.folder import Options, describe_folder
from indexer.encoders.own_head import declared_fake_index, log_odds, orientation, probability
from indexer.encoders.published import KNOWN
from indexer.encoders.registry import load, show
from indexer.errors import EncoderError, SpaceMismatchError
from indexer.preprocess import PRESETS
from tests.lookalikes import COMMFOR_PROCESSOR, write_commfor, write_commfor_owens
from tests.tiny_vit import tiny_model, write_tiny_vit

PICTURE = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def commfor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_commfor(tmp_path_factory.mktemp("traps") / "hf")


def test_1_the_published_statistics_are_not_those_of_the_training(
    commfor: Path, tmp_path: Path
) -> None:
    default, _ = describe_folder(commfor, Options())
    assert default.preset == PRESETS["commfor-author"]
    assert default.preset.mean == (0.485, 0.456, 0.406)
    assert (default.preset.interpolation, default.preset.resize_to) == ("bilinear", 440)
    published, _ = describe_folder(commfor, Options(preset="commfor-hf"))
    assert published.preset.mean == tuple(COMMFOR_PROCESSOR["image_mean"])
    assert published.preset.interpolation == "bicubic"
    assert published.fingerprint != default.fingerprint  # never in one space
    owens, _ = describe_folder(write_commfor_owens(tmp_path / "owens", like=commfor), Options())
    assert owens.preset == PRESETS["commfor-author"]


def test_1_spaces_of_both_statistics_never_mix(commfor: Path) -> None:
    from types import SimpleNamespace

    from indexer.store.vectors.space import Space

    a, b = (
        describe_folder(commfor, Options(preset=p))[0] for p in ("commfor-author", "commfor-hf")
    )
    row = SimpleNamespace(fingerprint=a.fingerprint, name=a.space, encoder=a)
    with pytest.raises(SpaceMismatchError, match="was made by"):
        Space.check(SimpleNamespace(row=row), b)  # type: ignore[arg-type]


def test_1_statistics_of_a_models_own_are_believed(commfor: Path) -> None:
    path = commfor / "preprocessor_config.json"
    path.write_text(json.dumps(COMMFOR_PROCESSOR | {"image_mean": [0.4, 0.4, 0.4]}))
    try:
        assert describe_folder(commfor, Options())[0].preset.mean == (0.4, 0.4, 0.4)
    finally:
        path.write_text(json.dumps(COMMFOR_PROCESSOR))


def test_2_the_published_weights_are_pinned_by_revision_and_hash() -> None:
    entry = show("commfor")
    assert entry.revision == "ac6ee457bea904a373065754107451793b56db00"
    assert str(entry.weights_sha256).startswith("275ba982236ddd6a")
    assert entry.weights_bytes == 87_270_764


def test_4_one_logit_is_never_put_through_a_softmax(tmp_path: Path) -> None:
    spec = load(write_tiny_vit(tmp_path / "one", num_labels=1), device="cpu").spec
    logits = np.array([[-2.0], [0.0], [3.0]], np.float32)
    odds = log_odds(spec, logits)
    assert odds.tolist() == [-2.0, 0.0, 3.0]
    assert [round(probability(float(one)), 4) for one in odds] == [0.1192, 0.5, 0.9526]
    with pytest.raises(EncoderError, match="expected 1 logits a picture"):
        log_odds(spec, np.zeros((3, 2), np.float32))
    assert probability(-1000.0) == 0.0 and probability(1000.0) == 1.0


def test_5_and_9_label_names_decide_nothing(tmp_path: Path) -> None:
    odds = []
    for names in ({"0": "LABEL_0", "1": "LABEL_1"}, {"0": "Fake", "1": "Real"}):
        folder = write_tiny_vit(tmp_path / names["0"], num_labels=2)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"id2label": names}))
        spec = load(folder, device="cpu").spec
        assert spec.fake_index is None and orientation(spec) == "unverified"
        odds.append(log_odds(spec, np.array([[1.0, 3.0]], np.float32))[0])
    assert odds == [2.0, 2.0]


def test_6_hooks_hold_under_both_generations_of_module_names(tmp_path: Path) -> None:
    from indexer.encoders.parts import find_parts

    model = tiny_model(num_labels=1)
    parts = find_parts(model)
    assert len(parts.blocks) == len(parts.maps) == 2
    tower = model.vit
    renamed: Any = torch.nn.Module()  # as version 4 had it: vit.encoder.layer
    renamed.vit, renamed.classifier, renamed.config = torch.nn.Module(), model.classifier, None
    renamed.vit.encoder = torch.nn.Module()
    renamed.vit.encoder.layer = torch.nn.ModuleList(parts.blocks)
    renamed.vit.layernorm = tower.layernorm
    assert find_parts(renamed).blocks == parts.blocks


def test_7_the_embedding_is_what_the_head_reads(tmp_path: Path) -> None:
    from transformers import ViTForImageClassification

    folder = write_tiny_vit(tmp_path / "one", num_labels=1)
    encoder: Any = load(folder, device="cpu", precision="fp32")
    got = encoder.encode(PICTURE)
    own = ViTForImageClassification.from_pretrained(folder, local_files_only=True).eval()
    with torch.no_grad():
        out = own(encoder.pixels_of(PICTURE), output_hidden_states=True)
        after = own.vit.layernorm(out.hidden_states[-1])[:, 0].numpy()
    weight, bias = encoder.head_weights()
    assert np.abs(got.cls @ weight.T + bias - out.logits.numpy()).max() < 1e-5
    before = out.hidden_states[-1][:, 0].numpy()
    # Versions differ in whether the last hidden state is normed; the embedding always is.
    assert np.abs(got.cls - after).max() < 1e-5 or np.abs(got.cls - before).max() < 1e-5


def test_8_no_pooler_is_made_of_random_numbers(tmp_path: Path) -> None:
    encoder: Any = load(write_tiny_vit(tmp_path / "one", num_labels=1), device="cpu")
    assert not [name for name, _ in encoder.model.named_modules() if "pooler" in name]


def test_9_the_two_face_models_point_opposite_ways_as_far_as_known() -> None:
    celeb, hemg = show("vit-celebdf"), show("vit-hemg")
    assert (celeb.fake_index, celeb.fake_index_provenance[:6]) == (1, "proved")
    assert (hemg.fake_index, hemg.fake_index_provenance[:10]) == (None, "unverified")


def test_10_no_entry_without_a_known_design_is_called_a_detector() -> None:
    from indexer.encoders.registry import with_heads

    assert "dfd-clip" in [entry.name for entry in KNOWN]
    assert "dfd-clip" not in with_heads()


def test_declared_index_of_one_logit_is_its_only_one(tmp_path: Path) -> None:
    spec = load(write_tiny_vit(tmp_path / "one", num_labels=1), device="cpu").spec
    assert declared_fake_index(spec) == 0
