"""Device and precision, chosen from what the machine says it has."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from indexer.encoders.device import choose_device, choose_precision, computing, cpu_has_bf16
from indexer.errors import EncoderError


@pytest.mark.parametrize(
    "text, expected",
    [
        ("processor: 0\nflags\t\t: fpu sse avx512f avx512_bf16\n", True),
        ("flags\t\t: fpu amx_bf16 amx_tile\n", True),
        ("flags\t\t: fpu avx2 avx512f\n", False),
        ("Features\t: fp asimd bf16 sve\n", True),
        ("Features\t: fp asimd\n", False),
        ("", False),
    ],
)
def test_native_bf16_is_read_from_the_cpu_flags(tmp_path: Path, text: str, expected: bool) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(text)
    assert cpu_has_bf16(info) is expected


def test_a_machine_without_that_file_has_no_bf16(tmp_path: Path) -> None:
    assert cpu_has_bf16(tmp_path / "missing") is False


def test_auto_on_a_cpu_follows_the_flags() -> None:
    assert choose_precision(device="cpu") == ("bf16" if cpu_has_bf16() else "fp32")
    assert choose_precision(device="mps") == "fp32"
    assert choose_precision("fp16", device="cpu") == "fp16"


def test_int8_and_unknown_words_are_refused() -> None:
    with pytest.raises(EncoderError, match="int8 is not supported yet"):
        choose_precision("int8", device="cpu")
    with pytest.raises(EncoderError, match="expected a precision"):
        choose_precision("fp8", device="cpu")
    with pytest.raises(EncoderError, match="expected a device"):
        choose_device("tpu")


def test_a_device_that_is_not_there_is_refused() -> None:
    assert choose_device("cpu") == "cpu"
    if not torch.backends.mps.is_available():
        with pytest.raises(EncoderError, match="the devices torch sees here"):
            choose_device("mps")


@pytest.mark.parametrize("precision, dtype", [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_matrices_multiply_in_the_precision_asked_for(precision: str, dtype: torch.dtype) -> None:
    with computing("cpu", precision):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
        assert product.dtype == dtype and product.is_inference()
