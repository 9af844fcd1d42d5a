"""An encoder as a method of the copy benchmark: its class token, with and without query views."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.copies.methods import opened
from indexer.extract import embed
from indexer.types import Encoder, Float32
from search.views import views

BATCH = 32

Views = Callable[[Image.Image], list[Image.Image]]


def as_is(image: Image.Image) -> list[Image.Image]:
    """Return the picture as the only view."""
    return [image]


class ClassToken:
    """Cosine similarity of class tokens; of several views of a query the best one counts."""

    slow = False

    def __init__(
        self, encoder: Encoder, *, name: str = "class token", viewed: Views = as_is
    ) -> None:
        self.encoder = encoder
        self.name = name
        self.viewed = viewed

    def index(self, references: Sequence[Path]) -> None:
        """Encode the references."""
        self.references = self._tokens(opened(references))

    def scores(self, queries: Sequence[Image.Image]) -> Float32:
        """Compare the views' tokens with all references'."""
        return np.stack(
            [
                (self._tokens(self.viewed(query)) @ self.references.T).max(axis=0)
                for query in queries
            ]
        )

    def _tokens(self, images: Iterable[Image.Image]) -> Float32:
        return np.concatenate([embed(batch, self.encoder) for batch in _batches(images)])


def with_and_without_views(encoder: Encoder) -> list[ClassToken]:
    """Return the encoder's two rows of the benchmark's table."""
    return [
        ClassToken(encoder),
        ClassToken(encoder, name="class token, 10 views", viewed=views),
    ]


def _batches(images: Iterable[Image.Image]) -> Iterator[list[Image.Image]]:
    rest = iter(images)
    while batch := list(islice(rest, BATCH)):
        yield batch
