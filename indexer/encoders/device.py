"""Where an encoder runs and what it computes in: chosen once, from what the machine has."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.errors import EncoderError

if TYPE_CHECKING:
    from torch import dtype, nn

DEVICES = ("cpu", "cuda", "mps", "xpu")
PRECISIONS = ("fp32", "bf16", "fp16", "int8")
CPU_INFO = Path("/proc/cpuinfo")
X86_BF16 = {"avx512_bf16", "amx_bf16"}


def choose_device(wish: str = "auto") -> str:
    """Return cpu, cuda, mps or xpu; raise `EncoderError` for one that this machine lacks."""
    if wish != "auto" and wish not in DEVICES:
        raise EncoderError(f"expected a device of auto, {', '.join(DEVICES)}, got {wish!r}")
    present = _present()
    if wish == "auto":
        return next(d for d in ("cuda", "mps", "xpu", "cpu") if d in present)
    if wish not in present:
        raise EncoderError(
            f"expected one of {', '.join(sorted(present))}, the devices torch sees here, "
            f"got {wish}; use --device auto"
        )
    return wish


def _present() -> set[str]:
    import torch

    present = {"cpu"}
    if torch.cuda.is_available():
        present.add("cuda")
    if torch.backends.mps.is_available():
        present.add("mps")
    if hasattr(torch, "xpu") and torch.xpu.is_available():
        present.add("xpu")
    return present


def choose_precision(wish: str = "auto", *, device: str) -> str:
    """Return fp32, bf16 or fp16.

    ``auto`` is bf16 on a CUDA device that has it and fp16 on one that has not, bf16 on a CPU that
    computes it natively, and fp32 anywhere else.
    """
    if wish == "int8":
        raise EncoderError(
            "int8 is not supported yet: it moves scores by more than it saves time; "
            "use --precision auto, fp32, bf16 or fp16"
        )
    if wish != "auto" and wish not in PRECISIONS:
        raise EncoderError(f"expected a precision of auto, {', '.join(PRECISIONS)}, got {wish!r}")
    if wish != "auto":
        return wish
    if device == "cuda":
        return "bf16" if _cuda_has_bf16() else "fp16"
    return "bf16" if device == "cpu" and cpu_has_bf16() else "fp32"


def _cuda_has_bf16() -> bool:
    import torch

    return bool(torch.cuda.get_device_capability() >= (8, 0))  # older ones emulate it, slowly


def cpu_has_bf16(info: Path = CPU_INFO) -> bool:
    """Tell whether the CPU multiplies bfloat16 natively, from the flags that Linux publishes."""
    try:
        lines = info.read_text().splitlines()
    except OSError:
        return False
    for line in lines:
        key, _, flags = line.partition(":")
        words = set(flags.split())
        if key.strip() == "flags":
            return bool(words & X86_BF16)
        if key.strip() == "Features":
            return "bf16" in words
    return False


@contextmanager
def computing(device: str, precision: str) -> Iterator[None]:
    """Run a block without gradients, in the precision asked for."""
    import torch

    with torch.inference_mode(), autocasting(device, precision):
        yield


@contextmanager
def autocasting(device: str, precision: str) -> Iterator[None]:
    """Run a block in the precision asked for."""
    import torch

    # TensorFloat-32 is on for convolutions by default and moves logits by more than 0.02.
    exact = torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False)
    dtype = _dtype(precision)
    cast = torch.autocast(device, dtype=dtype, enabled=dtype is not None)
    with exact, cast:
        yield


def hold_weights_in(precision: str, model: nn.Module, *, but: nn.Module | None) -> None:
    """Keep a model's products in the precision they run in; ``but`` stays as it is.

    Autocast alone would convert every weight again for every batch.
    """
    from torch import nn

    dtype = _dtype(precision)
    if dtype is None:
        return
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and module is not but:
            module.to(dtype)


def share_cores(parts: int) -> None:
    """Let the calling thread compute on its part of the cores, where torch is in use at all."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // parts))


def _dtype(precision: str) -> dtype | None:
    import torch

    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch on one core: split, hundreds of small products each wait for a slower half."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
