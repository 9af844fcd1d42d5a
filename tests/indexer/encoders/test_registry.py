"""Names: packaged, published, registered; what loading one says when it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from indexer.encoders import registry
from indexer.encoders.published import KNOWN
from indexer.encoders.registry import available, load, register, show
from indexer.errors import EncoderError, UsageError, WeightsError
from indexer.types import Head, Layout
from tests.checkout import ROOT
from tests.fake_encoder import MeanColour, make
from tests.tiny_vit import write_tiny_vit


def python(code: str, *, path: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": f"{path}:{ROOT}", "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_listing_encoders_imports_no_torch() -> None:
    code = (
        "import sys; from indexer.encoders import registry; registry.available();"
        "registry.show('commfor');"
        "print({'torch', 'transformers', 'timm', 'faiss', 'PIL'} & set(sys.modules))"
    )
    assert python(code) == "set()"


@pytest.mark.slow
def test_loading_imports_no_timm_and_no_faiss(tmp_path: Path) -> None:
    folder = write_tiny_vit(tmp_path / "tiny")
    code = (
        f"import sys; from indexer.encoders.registry import load; load({str(folder)!r});"
        "print({'timm', 'faiss'} & set(sys.modules))"
    )
    assert python(code) == "set()"


def test_a_name_goes_in_through_the_public_door_and_comes_out() -> None:
    register("another", make)
    encoder = load("another", device="cpu", layer=-1)
    assert isinstance(encoder, MeanColour)
    assert show("another").layout is Layout.CUSTOM
    assert "another" in [entry.name for entry in available()]


@pytest.mark.parametrize("name", ["commfor", "", "a/b"])
def test_a_taken_or_impossible_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="free encoder name"):
        register(name, make)


def test_unknown_names_list_the_known_ones() -> None:
    for call in (load, show):
        with pytest.raises(EncoderError, match="commfor.*got 'no-such'"):
            call("no-such")


def test_known_weights_that_are_not_here_say_how_to_get_them() -> None:
    with pytest.raises(EncoderError, match=r"OwensLab/commfor-model-224.*--encoder FOLDER"):
        load("commfor-owens-224")
    with pytest.raises(EncoderError, match="design is not public"):
        load("dfd-clip")


def test_facts_about_published_encoders() -> None:
    commfor, celeb, hemg = show("commfor"), show("vit-celebdf"), show("vit-hemg")
    assert commfor.pinned.endswith("DeepfakeDet-ViT@ac6ee457bea904a373065754107451793b56db00")
    assert (commfor.head, commfor.fake_index, commfor.preset) == (
        Head.SIGMOID1,
        0,
        "commfor-author",
    )
    assert (celeb.fake_index, hemg.fake_index) == (1, None)
    assert celeb.fake_index_provenance.startswith("proved")
    assert hemg.fake_index_provenance.startswith("unverified")
    assert all(len(entry.weights_sha256 or "0" * 64) == 64 for entry in KNOWN)


def test_the_presets_of_published_encoders_exist() -> None:
    from indexer.preprocess import PRESETS

    assert {e.preset for e in KNOWN if e.loadable} <= set(PRESETS)


def test_a_folder_is_known_by_its_name_card_and_configuration(tmp_path: Path) -> None:
    folder = write_tiny_vit(tmp_path / "mine", num_labels=2)
    (folder / "README.md").write_text("---\ntags: [x]\nlicense: cc0-1.0\n---\n# Mine\n")
    spec = load(folder, device="cpu").spec
    assert (spec.name, spec.source, spec.licence) == ("mine", "folder:mine", "cc0-1.0")
    assert (spec.head, spec.fake_index) == (Head.SOFTMAX2, None)
    assert (spec.dim, spec.patch_grid, spec.preset.size) == (48, (4, 4), 32)


def test_the_same_weights_are_the_same_space_wherever_they_lie(tmp_path: Path) -> None:
    folders = [write_tiny_vit(tmp_path / name) for name in ("a", "b")]
    other = write_tiny_vit(tmp_path / "c", seed=1)
    a, b, c = (load(f, device="cpu").spec.fingerprint for f in (*folders, other))
    assert a == b != c
    assert load(folders[0], device="cpu", layer=1).spec.fingerprint != a


def test_preprocessing_is_never_guessed(tmp_path: Path) -> None:
    folder = write_tiny_vit(tmp_path / "tiny")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(EncoderError, match="name a preset"):
        load(folder)
    with pytest.raises(EncoderError, match="expected a preset of"):
        load(folder, preset="no-such")
    with pytest.raises(EncoderError, match="reads pictures of 32 px"):
        load(folder, preset="commfor-author")


def test_a_folder_without_a_configuration_or_with_a_broken_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"found no config\.json"):
        load(tmp_path)
    folder = write_tiny_vit(tmp_path / "tiny")
    for text, match in (
        ("{", "expected JSON"),
        ("[]", "expected a JSON object"),
        ('{"model_type": "swin"}', "model_type vit"),
        ('{"hidden_size": "wide"}', "whole number"),
        ('{"hidden_size": 48, "num_attention_heads": 7}', "no vision transformer"),
    ):
        (folder / "config.json").write_text(text)
        with pytest.raises(EncoderError, match=match):
            load(folder)


def test_a_folder_without_the_model_class_takes_its_pooler_as_absent(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = write_tiny_vit(tmp_path / "tiny")
    expected = load(folder, device="cpu", precision="fp32")
    path = folder / "model.safetensors"
    bare = {name.removeprefix("vit."): tensor for name, tensor in load_file(path).items()}
    bare |= {"pooler.dense.weight": torch.ones(48, 48), "pooler.dense.bias": torch.ones(48)}
    save_file(bare, path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["ViTModel"]}))
    got = load(folder, device="cpu", precision="fp32")
    picture = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
    assert np.array_equal(got.encode(picture).cls, expected.encode(picture).cls)


def test_weights_other_than_the_published_ones_are_refused_under_their_name(
    tmp_path: Path,
) -> None:
    from indexer.encoders.folder import Options, describe_folder

    folder = write_tiny_vit(tmp_path / "tiny", num_labels=1)
    with pytest.raises(WeightsError, match="expected weights with SHA-256 275ba982.*, got "):
        describe_folder(folder, Options(), show("commfor"))


def test_the_packaged_encoder_is_the_default() -> None:
    folders = list(registry.PACKAGED.glob(f"{registry.DEFAULT}/model.safetensors"))
    if not folders:
        with pytest.raises(EncoderError, match="missing from this installation"):
            load()
        return
    encoder, entry = load(device="cpu"), show(registry.DEFAULT)
    assert encoder.spec.name == registry.DEFAULT and encoder.spec.head is Head.NONE
    assert encoder.spec.weights_sha256 == entry.weights_sha256
    size = encoder.spec.preset.size
    features = encoder.encode(np.full((1, size, size, 3), 128, np.uint8))
    assert features.cls.shape == (1, encoder.spec.dim) and features.logits is None


STUB = """
import sys
sys.modules.pop(__name__, None)
raise RuntimeError("operator torchvision::nms does not exist")
"""


def test_torchvision_from_another_build_is_named_with_its_cure() -> None:
    from indexer.encoders.hf_model import transformers_border

    cure = "install both again from the same index"
    with pytest.raises(EncoderError, match=cure), transformers_border():
        try:
            raise RuntimeError("operator torchvision::nms does not exist")
        except RuntimeError as error:
            raise ModuleNotFoundError("Could not import module 'ViTModel'") from error
    with pytest.raises(EncoderError, match="cannot be imported"), transformers_border():
        raise ImportError("no tokenizers")


@pytest.mark.slow
def test_a_broken_torchvision_never_comes_out_as_its_own_error(tmp_path: Path) -> None:
    folder = write_tiny_vit(tmp_path / "tiny")
    (tmp_path / "stub" / "torchvision").mkdir(parents=True)
    (tmp_path / "stub" / "torchvision" / "__init__.py").write_text(STUB)
    code = (
        "from indexer.encoders.registry import load\n"
        "from indexer.errors import EncoderError\n"
        f"try:\n    print(load({str(folder)!r}).spec.name)\n"
        "except EncoderError as error:\n    print('install both' in str(error))\n"
    )
    # Versions of transformers that do not import torchvision for a ViT just load it.
    assert python(code, path=str(tmp_path / "stub")) in ("tiny", "True")
