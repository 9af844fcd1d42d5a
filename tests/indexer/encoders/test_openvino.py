"""OpenVINO behind the same face: the same vectors, and clear refusals."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from indexer.encoders import openvino_runtime
from indexer.encoders.registry import deferred, load
from indexer.encoders.vit import HookedViT
from indexer.errors import EncoderError, UsageError
from tests.tiny_vit import write_tiny_vit

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)

needs_openvino = pytest.mark.skipif(
    not openvino_runtime.installed(), reason="dfindex[openvino] is not installed"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_vit(tmp_path / "tiny", num_labels=1)


@needs_openvino
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("precision", "cosine"), [("fp32", 0.9999), ("bf16", 0.999)])
def test_the_vectors_are_torchs(folder: Path, precision: str, cosine: float) -> None:
    torch_, other = (
        load(folder, device="cpu", precision=p, engine=e)
        for p, e in (("fp32", "torch"), (precision, "openvino"))
    )
    a, b = torch_.encode(PICTURES), other.encode(PICTURES)
    assert other.spec.fingerprint == torch_.spec.fingerprint
    assert (other.device, other.precision) == ("cpu", precision)
    for x, y in ((a.cls, b.cls), (a.patches, b.patches)):
        near = (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
        assert near.min() > cosine
    assert a.logits is not None and b.logits is not None
    assert np.abs(a.logits - b.logits).max() < (1e-4 if precision == "fp32" else 0.1)
    assert isinstance(torch_, HookedViT)
    weight, bias = torch_.head_weights()
    assert np.abs(b.cls @ weight.T + bias - b.logits).max() < 1e-5


@pytest.mark.slow
@needs_openvino
@pytest.mark.filterwarnings("ignore")
def test_threads_share_it(folder: Path) -> None:
    encoder = load(folder, device="cpu", precision="fp32", engine="openvino")
    alone = [encoder.encode(PICTURES[i : i + 1]).cls for i in range(3)]
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda i: encoder.encode(PICTURES[i : i + 1]).cls, range(3)))
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(alone, together, strict=True))


def test_what_it_cannot_do_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="expected an engine of auto, torch, openvino"):
        deferred(folder, engine="onnx")
    with pytest.raises(EncoderError, match="gives the last layer, got layer 1|not installed"):
        load(folder, device="cpu", precision="fp32", layer=1, engine="openvino")
    monkeypatch.setattr(openvino_runtime, "installed", lambda: False)
    with pytest.raises(EncoderError, match=r"pip install 'dfindex\[openvino\]'"):
        load(folder, device="cpu", engine="openvino")
    assert isinstance(load(folder, device="cpu", engine="auto"), HookedViT)
