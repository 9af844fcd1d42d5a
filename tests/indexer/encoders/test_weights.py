"""Damaged, foreign and pickled weight files: each a clear error, quickly, and nothing loaded."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import load_file, save_file

from indexer.encoders.registry import load
from indexer.encoders.weights import file_sha256, read_header, read_tensors
from indexer.errors import WeightsError
from tests.tiny_vit import tiny_config, write_tiny_vit

QUERY = "vit.encoder.layer.0.attention.attention.query.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_vit(tmp_path / "tiny", num_labels=1)


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    path = folder / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    change(tensors)
    save_file(tensors, path)


def reheader(folder: Path, change: Callable[[dict[str, dict[str, object]]], object]) -> None:
    path = folder / "model.safetensors"
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])


def refused(folder: Path, *, match: str) -> None:
    started = time.perf_counter()
    with pytest.raises(WeightsError, match=match):
        load(folder)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("kept", [0, 7, 8, 500, -1, -4096])
def test_a_truncated_file_is_refused(folder: Path, kept: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    refused(folder, match="damaged or truncated")


def test_bytes_behind_the_tensors_are_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes() + b"more")
    refused(folder, match="damaged or truncated")


def test_a_header_of_another_file_is_refused(folder: Path, tmp_path: Path) -> None:
    other = write_tiny_vit(tmp_path / "other", num_labels=1, intermediate_size=64)
    raw, foreign = ((f / "model.safetensors").read_bytes() for f in (folder, other))
    cut, foreign_cut = (8 + int.from_bytes(b[:8], "little") for b in (raw, foreign))
    (folder / "model.safetensors").write_bytes(foreign[:foreign_cut] + raw[cut:])
    refused(folder, match="damaged or truncated")


def test_offsets_that_overlap_are_refused(folder: Path) -> None:
    def overlap(header: dict[str, dict[str, object]]) -> None:
        header["classifier.bias"]["data_offsets"] = header["vit.layernorm.bias"]["data_offsets"]

    reheader(folder, overlap)
    refused(folder, match="disagree")


@pytest.mark.parametrize("header", [b"no json at all", b"[1, 2, 3]", b'{"a": 1}', b'{"a": {}}'])
def test_a_header_that_is_none_is_refused(folder: Path, header: bytes) -> None:
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    refused(folder, match="damaged or truncated")


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity_are_refused_by_the_tensors_name(folder: Path, poison: float) -> None:
    rewrite(folder, lambda tensors: tensors[QUERY].__setitem__((3, 4), poison))
    refused(folder, match=f"NaN or infinity in {QUERY}")


def test_infinities_that_cancel_are_refused(folder: Path) -> None:
    def poison(tensors: dict[str, torch.Tensor]) -> None:
        tensors[QUERY][0, 0], tensors[QUERY][0, 1] = float("inf"), float("-inf")

    rewrite(folder, poison)
    refused(folder, match="NaN or infinity")


def test_a_wrong_shape_is_refused_with_both_shapes(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.update({QUERY: torch.zeros(48, 47)}))
    refused(folder, match=r"in shape \(48, 48\), got \(48, 47\)")


@pytest.mark.parametrize("dtype", [np.int8, np.float64])
def test_a_wrong_dtype_is_refused(folder: Path, dtype: type) -> None:
    path = folder / "model.safetensors"
    tensors = {name: tensor.numpy().copy() for name, tensor in load_file(path).items()}
    tensors[QUERY] = tensors[QUERY].astype(dtype)
    save_numpy(tensors, path)
    refused(folder, match="expected float tensors")


def test_a_missing_tensor_is_named(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.pop(QUERY))
    refused(folder, match=f"1 missing: {QUERY}")


def test_an_extra_tensor_is_named(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.update({"vit.pooler.dense.bias": torch.zeros(48)}))
    refused(folder, match=r"1 unexpected: vit\.pooler\.dense\.bias")


def test_a_head_that_the_configuration_does_not_declare_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config.pop("id2label", None)
    (folder / "config.json").write_text(json.dumps(config | {"num_labels": 2}))
    refused(folder, match=r"classifier\.weight in shape \(2, 48\), got \(1, 48\)")


def test_tensors_of_something_else_are_refused(folder: Path) -> None:
    save_file({"conv1.weight": torch.zeros(3, 3)}, folder / "model.safetensors")
    refused(folder, match="got tensors named conv1.weight")


def test_a_pickle_is_refused_with_the_way_to_convert_it(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    refused(folder, match=r"pickle.*save_file")


def test_a_pickle_under_the_name_of_safetensors_is_refused(folder: Path) -> None:
    torch.save({"a": torch.zeros(3)}, folder / "model.safetensors")
    refused(folder, match="pickle")


def test_a_pickle_is_read_by_explicit_wish(folder: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    expected = load(folder, device="cpu", precision="fp32").encode(pictures)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    wrapped = {"model": {f"_orig_mod.{k}": v for k, v in tensors.items()}, "epoch": 3}
    torch.save(wrapped, folder / "checkpoint.pt")
    got = load(folder, device="cpu", precision="fp32", allow_pickle=True).encode(pictures)
    assert np.array_equal(got.cls, expected.cls)


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('code ran')",))


def test_a_pickle_with_code_in_it_does_not_run_it_even_by_wish(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"a": Hostile()}, folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="not a plain file of tensors"):
        load(folder, allow_pickle=True)


def test_a_folder_without_weights_and_a_sharded_one_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    refused(folder, match="found no weights")
    (folder / "model.safetensors.index.json").write_text("{}")
    refused(folder, match="shards")


@pytest.mark.parametrize("mlp, labels, broken", [(3072, 2, True), (1536, 2, False)])
def test_the_broken_communityforensics_export_is_refused_by_name(
    tmp_path: Path, mlp: int, labels: int, broken: bool
) -> None:
    from indexer.encoders.architecture import Architecture
    from indexer.encoders.layouts import refuse_broken_export

    architecture = Architecture(
        hidden=384, depth=12, heads=6, mlp=mlp, patch=16, image=384, labels=labels
    )
    if broken:
        with pytest.raises(WeightsError, match="broken CommunityForensics export"):
            refuse_broken_export(architecture)
    else:
        refuse_broken_export(architecture)


def test_tensors_come_back_as_they_were_saved(folder: Path) -> None:
    path = folder / "model.safetensors"
    header, saved = read_header(path), load_file(path)
    read = read_tensors(header)
    assert {name: tuple(t.shape) for name, t in saved.items()} == header.shapes
    assert all(torch.equal(read[name], saved[name]) for name in saved)
    assert file_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_half_precision_files_compute_in_float32(folder: Path) -> None:
    rewrite(folder, lambda t: t.update({k: v.half() for k, v in t.items()}))
    encoder = load(folder, device="cpu", precision="fp32")
    assert {p.dtype for p in encoder.model.parameters()} == {torch.float32}  # type: ignore[attr-defined]


def test_the_tiny_configuration_is_what_its_docstring_says() -> None:
    config = tiny_config()
    assert (config.hidden_size, config.num_hidden_layers, config.patch_size) == (48, 2, 8)
