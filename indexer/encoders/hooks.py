"""Forward hooks that record what modules return, and that are always removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn


@contextmanager
def recording(modules: Iterable[nn.Module]) -> Iterator[list[Any]]:
    """Collect the modules' outputs in the order in which they ran; remove the hooks at the end.

    The hooks go also after an error in the block or in the model.
    """
    outputs: list[Any] = []
    with ExitStack() as stack:
        for module in modules:
            handle = module.register_forward_hook(lambda _m, _i, out: outputs.append(out))
            stack.callback(handle.remove)
        yield outputs


def tokens_of(output: Any) -> Tensor:
    """Return a block's tokens: some versions hand them over in a tuple."""
    tokens = output[0] if isinstance(output, tuple) else output
    if not isinstance(tokens, Tensor):
        raise TypeError(f"expected tokens, got {type(tokens).__name__}")
    return tokens


def maps_of(outputs: Iterable[Any]) -> list[Tensor]:
    """Keep the attention maps (B, heads, T, T) among recorded outputs."""
    candidates = (out[1] if isinstance(out, tuple) and len(out) > 1 else out for out in outputs)
    return [m for m in candidates if isinstance(m, Tensor) and m.ndim == 4]
