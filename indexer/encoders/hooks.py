"""Forward hooks that record what modules return, and that are always removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from threading import get_ident
from typing import Any

from torch import Tensor, nn


@contextmanager
def recording(modules: Iterable[nn.Module]) -> Iterator[list[Any]]:
    """Collect the modules' outputs in the order in which they ran; remove the hooks at the end.

    Only what runs on the calling thread is collected, so that threads can share a model. The
    hooks go also after an error in the block or in the model.
    """
    outputs: list[Any] = []
    listener = get_ident()

    def record(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if get_ident() == listener:
            outputs.append(output)

    with ExitStack() as stack:
        for module in modules:
            handle = module.register_forward_hook(record)
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
