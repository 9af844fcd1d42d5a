"""Folders that a stranger made: each a clear error in under two seconds, in bounded memory."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from indexer.encoders.registry import load
from indexer.errors import EncoderError
from tests.indexer.encoders.test_backbones import PROCESSOR as FOREIGN_PROCESSOR
from tests.indexer.encoders.test_backbones import SIZES
from tests.tiny_vit import write_tiny_vit

DEEP = b"[" * 100_000 + b"]" * 100_000
DEEP_OBJECT = b'{"a":' * 50_000 + b"1" + b"}" * 50_000


@pytest.fixture(scope="module", autouse=True)
def imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Load one sound folder first: importing torch is not on the clock."""
    load(write_tiny_vit(tmp_path_factory.mktemp("sound")), device="cpu")
    import timm  # noqa: F401


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return write_tiny_vit(tmp_path / "plain", num_labels=1)


@pytest.fixture
def tower(tmp_path: Path) -> Path:
    return _folder(tmp_path / "tower", {"model_type": "dinov2", **SIZES}, _tensors())


@pytest.fixture
def timms(tmp_path: Path) -> Path:
    config = {
        "architecture": "vit_tiny_patch16_224",
        "num_classes": 0,
        "pretrained_cfg": {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.5] * 3},
    }
    return _folder(tmp_path / "timms", config, {"patch_embed.proj.weight": torch.ones(4, 3, 8, 8)})


def _tensors() -> dict[str, torch.Tensor]:
    return {"embeddings.cls_token": torch.ones(1, 1, 48)}


def _folder(folder: Path, config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(FOREIGN_PROCESSOR))
    save_file(tensors, folder / "model.safetensors")
    return folder


def refused(folder: Path) -> str:
    peak, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(EncoderError) as caught:
        load(folder, device="cpu")
    assert time.process_time() - started < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 400 << 10  # KiB
    message = str(caught.value)
    assert len(message) < 1000
    return message


def with_header(folder: Path, header: bytes) -> Path:
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return folder


def changed(folder: Path, name: str = "config.json", **changes: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
@pytest.mark.parametrize(
    "text",
    [
        DEEP,
        DEEP_OBJECT,
        b"",
        b"\xff\xfe\x00",
        b"[1, 2]",
        b'{"hidden_size": NaN}',
        b'{"image_mean": [Infinity, 0, 0]}',
        b'{"layer_norm_eps": 1e999}',
        b'{"hidden_size": 1' + b"0" * 10_000 + b"}",
        b'{"hidden_size": 48, "hidden_size": 49}',
        b" " * (9 << 20) + b"{}",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_json_that_is_none_of_ours(plain: Path, name: str, text: bytes) -> None:
    (plain / name).write_bytes(text)
    refused(plain)


@pytest.mark.parametrize(
    "header",
    [
        DEEP,
        DEEP_OBJECT,
        b'{"a":{"dtype":"F32","shape":[Infinity],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,Infinity]}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,1e999]}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}',
        b'{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":"12","data_offsets":"04"}}',
        b'{"a":{"dtype":["F32"],"shape":[1],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[' + b"9" * 4000 + b'],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[' + b"1," * 500_000 + b'1],"data_offsets":[0,4]}}',
        b'{"a":{},"a":{"dtype":"F32","shape":[],"data_offsets":[0,0]}}',
        b'{"' + b"n" * 5_000_000 + b'":{"dtype":"I8","shape":[0],"data_offsets":[0,0]}}',
        b'{"blocks.' + b"9" * 6000 + b'.x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},'
        b'"cls_token":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},'
        b'"patch_embed.proj.weight":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
    ],
    ids=lambda text: repr(text[:64]),
)
def test_headers_that_lie(plain: Path, header: bytes) -> None:
    refused(with_header(plain, header))


HOSTILE = [10**9, 10**30, -1, 0, 1.5, "many", "9" * 5000, [], {}, None, True, [[[48]]]]


@pytest.mark.parametrize(
    "key",
    ["num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "patch_size"],
)
@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:16])
def test_sizes_that_are_none(plain: Path, tower: Path, key: str, value: Any) -> None:
    refused(changed(plain, **{key: value}))
    refused(changed(tower, **{key: value}))


@pytest.mark.parametrize("key", ["model_type", "architectures", "vision_config", "id2label"])
@pytest.mark.parametrize(
    "value", [["vit"], {"vit": 1}, 7, "x" * 100_000], ids=lambda v: repr(v)[:9]
)
def test_types_that_are_none(tower: Path, key: str, value: Any) -> None:
    refused(changed(tower, **{key: value}))


@pytest.mark.parametrize(
    "changes",
    [
        {"image_size": 10**9},
        {"num_register_tokens": 10**9, "model_type": "dinov2_with_registers"},
        {"num_channels": 10**6},
        {"hidden_act": ["gelu"]},
        {"num_attention_heads": 5},
        {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
        {"auto_map": {"AutoModel": "evil.Model"}},
        {"model_type": "clip", "vision_config": {**SIZES, "num_hidden_layers": 10**9}},
    ],
    ids=str,
)
def test_towers_that_would_not_end(tower: Path, changes: dict[str, Any]) -> None:
    refused(changed(tower, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": "hf-hub:someone/something"},
        {"architecture": "local-dir:/etc"},
        {"architecture": "vit_giant_patch14_clip_224"},
        {"architecture": "no_such_model"},
        {"architecture": ""},
        {"num_classes": 10**12},
        {"num_classes": [3]},
        {"global_pool": {"a": 1}},
        {"model_args": [1]},
        {"model_args": {"depth": 10**9}},
        {"model_args": {"depth": 1024, "embed_dim": 1 << 20, "num_heads": 1}},
        {"model_args": {"embed_dim": "wide"}},
        {"model_args": {"checkpoint_path": "/etc/passwd"}},
        {"model_args": {"pretrained": True}},
        {"pretrained_cfg": {"input_size": [3, 10**9, 10**9]}},
        {"pretrained_cfg": ["input_size"]},
        {"pretrained_cfg": {"input_size": 1}},
    ],
    ids=str,
)
def test_timm_models_that_would_not_end(timms: Path, changes: dict[str, Any]) -> None:
    refused(changed(timms, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"size": {"height": 10**9, "width": 10**9}},
        {"size": {"shortest_edge": 10**9}, "crop_size": 32, "do_center_crop": True},
        {"size": [32]},
        {"resample": [3]},
        {"image_mean": [0.5] * 10_000},
        {"image_mean": {"r": 1, "g": 2, "b": 3}},
        {"image_std": [0, 0, 0]},
        {"rescale_factor": [1]},
        {"size": {"height": "x" * 100_000, "width": "x" * 100_000}},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_preprocessing_that_is_none(plain: Path, changes: dict[str, Any]) -> None:
    refused(changed(plain, "preprocessor_config.json", **changes))


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _folder_there(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize(
    "name", ["config.json", "preprocessor_config.json", "model.safetensors", "README.md"]
)
@pytest.mark.parametrize("make", [_fifo, _endless, _folder_there, _loop])
def test_files_that_are_none(plain: Path, name: str, make: Callable[[Path], None]) -> None:
    (plain / "README.md").write_text("---\nlicense: mit\n---\n")
    make(plain / name)
    if name == "README.md":
        assert load(plain, device="cpu").spec.licence == "unknown"
    else:
        refused(plain)


def test_a_model_card_without_end_is_read_in_part(plain: Path) -> None:
    with (plain / "README.md").open("w") as file:
        file.write("---\nlicense: mit\n" + "x: y\n" * 4_000_000)
    started = time.process_time()
    assert load(plain, device="cpu").spec.licence == "unknown"
    assert time.process_time() - started < 2


def test_the_command_says_it_in_one_line(plain: Path, tmp_path: Path) -> None:
    (plain / "config.json").write_bytes(DEEP)
    picture = tmp_path / "nothing.png"
    done = subprocess.run(
        [sys.executable, "-m", "dfindex", "detect", picture, "--encoder", plain],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1 and "nested too deeply" in done.stderr
