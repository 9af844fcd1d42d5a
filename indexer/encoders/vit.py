"""The hooked vision transformer: one face over Hugging Face's and timm's classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from threading import Lock

import numpy as np
import torch
from torch import Tensor, nn

from indexer.encoders.device import choose_device, choose_precision, computing, hold_weights_in
from indexer.encoders.hooks import maps_of, recording, tokens_of
from indexer.encoders.parts import ModelParts, find_parts
from indexer.errors import EncoderError
from indexer.types import EncoderSpec, Features, Float32, Head, UInt8


class HookedViT:
    """A frozen vision transformer that gives class token, patch tokens, logits and attention.

    Implements `indexer.types.Encoder`. Tokens are taken by forward hooks behind the final
    LayerNorm, so that ``logits = W @ cls + b`` holds for what is stored; the pooler is never used.
    """

    def __init__(
        self,
        model: nn.Module,
        spec: EncoderSpec,
        *,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.spec = spec
        self.device = choose_device(device)
        self.precision = choose_precision(precision, device=self.device)
        try:
            self.model = model.eval().requires_grad_(False).to(self.device)
        except RuntimeError as error:
            raise EncoderError(
                f"{spec.name} does not fit onto {self.device} ({error}); use --device cpu"
            ) from error
        self._parts: ModelParts = find_parts(self.model)
        hold_weights_in(self.precision, self.model, but=self._parts.head)
        self._largest_batch: int | None = None  # what may fit after something did not
        self._switching = Lock()
        shape = (1, 3, 1, 1)
        self._mean = torch.tensor(spec.preset.mean, device=self.device).view(shape) * 255
        self._std = torch.tensor(spec.preset.std, device=self.device).view(shape) * 255
        self._block(spec.layer)

    @property
    def depth(self) -> int:
        """The number of blocks."""
        return len(self._parts.blocks)

    @property
    def parts(self) -> ModelParts:
        """The modules that hooks hold on to."""
        return self._parts

    @contextmanager
    def eager(self) -> Iterator[None]:
        """Run a block with attention that can be looked at; one at a time, since it is a switch."""
        with self._switching, self._parts.eager():
            yield

    def head_weights(self) -> tuple[Float32, Float32]:
        """Return W (labels, D) and b (labels,) of the head: logits = W @ cls + b."""
        head = self._parts.head
        if head is None or self.spec.head is Head.NONE:
            raise EncoderError(
                f"expected an encoder with a head, got {self.spec.name}, which has none; "
                "use a method that needs none, such as rollout"
            )
        bias = torch.zeros(len(head.weight)) if head.bias is None else head.bias
        return _array(head.weight), _array(bias)

    def encode(self, images: UInt8) -> Features:
        """Read images (B, size, size, 3) uint8 RGB at the spec's layer."""
        return self.forward_features(self._checked(images), layer=self.spec.layer)

    def pixels_of(self, images: UInt8) -> Tensor:
        """Return images (B, size, size, 3) uint8 RGB as the model reads them: (B, 3, H, W)."""
        return self._normalised(self._checked(images))

    def _checked(self, images: UInt8) -> Tensor:
        size = self.spec.preset.size
        if images.dtype != np.uint8 or images.shape[1:] != (size, size, 3) or not len(images):
            raise EncoderError(
                f"expected pictures of shape (B, {size}, {size}, 3) in uint8, "
                f"got {images.shape} in {images.dtype}; shape them by the spec's preset"
            )
        # A copy: torch warns of arrays that are not its to write to, such as decoded pictures.
        return torch.from_numpy(np.array(images))

    def forward_features(
        self, pixels: Tensor, *, layer: int = -1, attention: bool = False
    ) -> Features:
        """Read normalised pixels (B, 3, H, W) float, or raw ones (B, H, W, 3) uint8.

        ``layer`` -1 is what the head sees, behind the final LayerNorm. Any other number is the
        plain output of a block, without that LayerNorm: 1 is the first block, -2 the last but
        one, and ``depth`` the last one. Logits always come from the whole model. ``attention``
        asks for every block's maps, which costs the slower eager attention. A batch that does not
        fit into memory is halved and tried again.
        """
        block = self._block(layer)
        results: list[Features] = []
        start, step = 0, min(len(pixels), self._largest_batch or len(pixels))
        while start < len(pixels):
            part = pixels[start : start + step]
            features = self._try(part, block, attention)
            if features is None:
                step = self._largest_batch = len(part) // 2
                continue
            results.append(features)
            start += step
        return results[0] if len(results) == 1 else _joined(results)

    def normed_features(self, images: UInt8, *, layer: int = -1) -> Features:
        """Read images at a layer and send its tokens through the final LayerNorm, as a head would.

        At -1 this is what `encode` gives.
        """
        features = self.forward_features(self._checked(images), layer=layer)
        if self._block(layer) is None:
            return features
        with computing(self.device, self.precision):
            cls, patches = (
                _array(self._parts.norm(torch.from_numpy(part).to(self.device)))
                for part in (features.cls, features.patches)
            )
        return Features(cls=cls, patches=patches, logits=features.logits)

    def _try(self, pixels: Tensor, block: int | None, attention: bool) -> Features | None:
        """Return the features, or None where the batch does not fit but a smaller one may."""
        try:
            # Attention maps need the model switched to eager attention, for everyone.
            with self.eager() if attention else nullcontext():
                return self._read(pixels, block, attention)
        except RuntimeError as error:
            if not _out_of_memory(error):
                raise EncoderError(f"{self.spec.name} failed to run: {error}") from error
            if len(pixels) == 1:
                raise EncoderError(
                    f"one picture alone does not fit into the memory of {self.device}; "
                    "free some, or use --device cpu"
                ) from error
        # Outside the handler: the error's traceback keeps the tensors of the failed pass alive.
        if self.device == "cuda":
            torch.cuda.empty_cache()
        return None

    def _read(self, pixels: Tensor, block: int | None, attention: bool) -> Features:
        parts = self._parts
        with ExitStack() as stack:
            stack.enter_context(computing(self.device, self.precision))
            hooked = () if block is None else (parts.blocks[block],)
            middle = stack.enter_context(recording(hooked))
            maps = stack.enter_context(recording(parts.maps if attention else ()))
            last = parts.run(self._normalised(pixels))
            pooled = parts.pool(last)
            logits = self._logits(pooled)
            if block is None:
                return self._features(pooled, last, logits, maps_of(maps), attention)
            tokens = tokens_of(middle[-1])
            return self._features(self.pooled(tokens), tokens, logits, maps_of(maps), attention)

    def pooled(self, tokens: Tensor) -> Tensor:
        """Return one token (B, D) for a block's: the class token, or the mean where none is."""
        return tokens[:, 0] if self._parts.prefix else tokens.mean(dim=1)

    def _normalised(self, pixels: Tensor) -> Tensor:
        moved = pixels.to(self.device)
        if moved.dtype != torch.uint8:
            return moved
        planes = moved.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        return planes.sub_(self._mean).div_(self._std)

    def _logits(self, cls: Tensor) -> Tensor | None:
        head = self._parts.head
        if head is None or self.spec.head is Head.NONE:
            return None
        # In float32 whatever the rest runs in: logit = W.cls + b must hold for the stored values.
        with torch.autocast(self.device, enabled=False):
            return head(cls.float())  # type: ignore[no-any-return]

    def _features(
        self,
        cls: Tensor,
        tokens: Tensor,
        logits: Tensor | None,
        maps: list[Tensor],
        attention: bool,
    ) -> Features:
        if attention and len(maps) != self.depth:
            raise EncoderError(f"expected {self.depth} attention maps, got {len(maps)}")
        try:
            return Features(
                cls=_array(cls),
                patches=_array(tokens[:, self._parts.prefix :]),
                logits=None if logits is None else _array(logits),
                attention=np.stack([_array(m) for m in maps]) if attention else None,
            )
        except ValueError as error:
            raise EncoderError(
                f"{self.spec.name} in {self.precision}: {error}; try --precision fp32"
            ) from error

    def _block(self, layer: int) -> int | None:
        """Return the block's index from 0, or None for the final LayerNorm."""
        if layer == -1:
            return None
        index = layer - 1 if layer > 0 else self.depth + layer
        if layer == 0 or not 0 <= index < self.depth:
            raise EncoderError(
                f"{self.spec.name} has {self.depth} layers: expected 1 to {self.depth} "
                f"or -{self.depth} to -1, got {layer}"
            )
        return index


def _out_of_memory(error: RuntimeError) -> bool:
    text = str(error).lower()
    return (
        isinstance(error, torch.OutOfMemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
    )


def _array(tensor: Tensor) -> Float32:
    return tensor.to("cpu", torch.float32).contiguous().numpy()


def _joined(parts: list[Features]) -> Features:
    logits = [p.logits for p in parts if p.logits is not None]
    maps = [p.attention for p in parts if p.attention is not None]
    return Features(
        cls=np.concatenate([p.cls for p in parts]),
        patches=np.concatenate([p.patches for p in parts]),
        logits=np.concatenate(logits) if logits else None,
        attention=np.concatenate(maps, axis=1) if maps else None,
    )
