"""A deferred encoder is described without torch, and is the same once it is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from indexer.encoders.registry import deferred, load
from indexer.errors import EncoderError
from tests.tiny_vit import write_tiny_vit


def test_it_reads_what_the_loaded_one_reads(tmp_path: Path) -> None:
    folder = write_tiny_vit(tmp_path / "tiny")
    now = load(folder, device="cpu", precision="fp32")
    later = deferred(folder, device="cpu", precision="fp32")
    assert later.spec == now.spec
    picture = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    np.testing.assert_array_equal(later.encode(picture).cls, now.encode(picture).cls)
    assert (later.device, later.precision) == ("cpu", "fp32")


def test_describing_imports_no_torch(tmp_path: Path) -> None:
    folder = write_tiny_vit(tmp_path / "tiny")
    code = (
        "import sys; from indexer.encoders.registry import deferred; "
        f"print(deferred({str(folder)!r}).spec.fingerprint, 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [deferred(folder).spec.fingerprint, "False"]


def test_a_broken_folder_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    folder = write_tiny_vit(tmp_path / "tiny")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(EncoderError):
        deferred(folder)
