"""`build --layers`: a space for each block, with the tokens transformers itself gives there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import dfindex
from dfindex.cli import main
from indexer.errors import SpaceMismatchError
from tests.pictures import corpus
from tests.tiny_vit import PROCESSOR, write_tiny_vit


def run(*arguments: object) -> int:
    return CliRunner().invoke(main, [str(one) for one in arguments]).exit_code


@pytest.mark.slow
def test_each_layer_is_a_space_of_its_own_tokens(tmp_path: Path) -> None:
    from transformers import ViTForImageClassification

    model = write_tiny_vit(tmp_path / "tiny", num_labels=1)
    photos = corpus(tmp_path / "photos", 4)
    built = ("build", tmp_path / "photos", "--index", tmp_path / "index", "--encoder", model)
    assert run(*built, "--precision", "fp32", "--layers", "1,-1") == 0
    own = ViTForImageClassification.from_pretrained(model, local_files_only=True).eval()
    with dfindex.open(tmp_path / "index") as index:
        assert [one.name for one in index.status().spaces] == ["tiny@1", "tiny"]
        for name in ("tiny@1", "tiny"):
            vectors, samples = index.embeddings(name)
            by_path = {Path(one.path): row for one, row in zip(samples, vectors, strict=True)}
            for path in photos:
                image = Image.open(path).convert("RGB").resize((32, 32), Image.Resampling.BICUBIC)
                pixels = torch.from_numpy(np.asarray(image, np.float32) / 127.5 - 1)
                with torch.no_grad():
                    out = own(pixels.permute(2, 0, 1)[None], output_hidden_states=True)
                    last = own.vit(pixels.permute(2, 0, 1)[None]).last_hidden_state
                tokens = out.hidden_states[1] if name == "tiny@1" else last
                expected = tokens[0, 0].numpy() / np.linalg.norm(tokens[0, 0].numpy())
                # vectors are kept in float16
                assert np.abs(by_path[path] - expected).max() < 3e-4
        found = index.search(photos[0], k=1, space="tiny@1", verify=False)
    assert found.hits[0].score > 0.999
    assert found.index.space == "tiny@1"


def test_a_layer_the_model_does_not_have_is_named(tmp_path: Path) -> None:
    model = write_tiny_vit(tmp_path / "tiny", num_labels=1)
    corpus(tmp_path / "photos", 1)
    given = [tmp_path / "photos", "--index", tmp_path / "index", "--encoder", model]
    result = CliRunner().invoke(main, ["build", *map(str, given), "--layer", "7"])
    assert result.exit_code == 3
    assert "has 2 layers: expected 1 to 2" in result.stderr
    assert run("build", *given, "--layers", "1,x") == 2


def test_an_encoder_that_has_become_another_is_named(tmp_path: Path) -> None:
    model = write_tiny_vit(tmp_path / "tiny", num_labels=1)
    photos = corpus(tmp_path / "photos", 2)
    dfindex.build([tmp_path / "photos"], index=tmp_path / "index", encoder=model).close()
    write_tiny_vit(model, seed=1, num_labels=1, image_size=48)
    larger = PROCESSOR | {"size": {"height": 48, "width": 48}}
    (model / "preprocessor_config.json").write_text(json.dumps(larger))
    with (
        dfindex.open(tmp_path / "index") as index,
        pytest.raises(SpaceMismatchError, match="build one with dfindex build --encoder tiny"),
    ):
        index.search(photos[0])
