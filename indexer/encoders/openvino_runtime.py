"""The same vision transformer, run by OpenVINO: about twice as fast on a CPU."""

from __future__ import annotations

import importlib.util
import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from indexer.encoders.vit import HookedViT
from indexer.errors import EncoderError
from indexer.silenced_warnings import quiet
from indexer.types import EncoderSpec, Features, Float32, Head, UInt8

if TYPE_CHECKING:
    from indexer.encoders.parts import ModelParts

HINTS = {"fp32": "f32", "bf16": "bf16"}


def installed() -> bool:
    """Tell whether OpenVINO can be imported, without importing it."""
    return importlib.util.find_spec("openvino") is not None


class OpenVinoViT:
    """Implements `indexer.types.Encoder` with a `HookedViT`'s weights.

    Gives what the head sees (layer -1) only: for other layers and for attention, torch is there.
    """

    def __init__(self, like: HookedViT, *, precision: str) -> None:
        if not installed():
            raise EncoderError("OpenVINO is not installed; pip install 'dfindex[openvino]'")
        if like.device != "cpu" or like.precision != "fp32" or precision not in HINTS:
            raise EncoderError(
                "OpenVINO takes a model on the CPU in fp32 and runs it in fp32 or bf16, got "
                f"{like.device}, {like.precision}, {precision}; use --engine torch"
            )
        if like.spec.layer != -1:
            raise EncoderError(
                f"OpenVINO gives the last layer, got layer {like.spec.layer}; use --engine torch"
            )
        self.spec: EncoderSpec = like.spec
        self.device = "cpu"
        self.precision = precision
        self._like = like
        self._head = None if like.spec.head is Head.NONE else like.head_weights()
        self._compiled = _compiled(like.parts, like.spec, precision)
        self._requests = threading.local()

    def encode(self, images: UInt8) -> Features:
        """Read images (B, size, size, 3) uint8 RGB, already shaped by the spec's preset."""
        pixels = self._like.pixels_of(images).contiguous().numpy()
        outputs = self._request().infer([pixels])
        cls, patches = (np.array(outputs[place], np.float32) for place in range(2))
        return Features(cls=cls, patches=patches, logits=self._logits(cls))

    def _logits(self, cls: Float32) -> Float32 | None:
        if self._head is None:
            return None
        weight, bias = self._head
        return cls @ weight.T + bias

    def _request(self) -> Any:
        if not hasattr(self._requests, "mine"):
            self._requests.mine = self._compiled.create_infer_request()
        return self._requests.mine


class _Reading(nn.Module):
    """What is converted: pixels to the class token and the patch tokens."""

    def __init__(self, model: nn.Module, parts: ModelParts) -> None:
        super().__init__()
        self.model = model  # so that the weights are found
        self._parts = parts

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        tokens = self._parts.run(pixels)
        return self._parts.pool(tokens), tokens[:, self._parts.prefix :]


def _compiled(parts: ModelParts, spec: EncoderSpec, precision: str) -> Any:
    import openvino

    size = spec.preset.size
    reading = _Reading(nn.ModuleList([*parts.blocks, parts.norm]), parts).eval()
    example = torch.zeros(1, 3, size, size)
    try:
        # The tracer warns about shapes that are constant here.
        with quiet(), torch.no_grad():
            model = openvino.convert_model(
                reading, example_input=example, input=[[-1, 3, size, size]]
            )
        cores = os.cpu_count() or 1
        return openvino.Core().compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": HINTS[precision],
                "NUM_STREAMS": cores,
                "INFERENCE_NUM_THREADS": cores,
            },
        )
    except Exception as error:  # the converter raises anything
        raise EncoderError(
            f"OpenVINO cannot run {spec.name} ({error}); use --engine torch"
        ) from error
