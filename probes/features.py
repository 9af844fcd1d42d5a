"""Features of samples as a probe sees them: class tokens, pooled or whole patch tokens, layers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from indexer.errors import SpaceMismatchError, UsageError
from indexer.store.vectors.space import Space
from indexer.types import Features, Float32, Int64, unit
from probes.choices import FeatureKind

PATCH_BATCH = 512  # pictures whose tokens are decoded at once
MOST_TOKENS_BYTES = 1 << 30  # what the tokens of a training set may take in memory


@dataclass(frozen=True)
class FeatureSpec:
    """What a probe's features are: a kind, and the spaces they are read from, joined in order.

    ``codecs`` are the SHA-256 of the spaces' patch compressions where tokens are read: the
    compression is fitted to an index, so tokens of another index may be other numbers.
    """

    kind: FeatureKind
    spaces: tuple[str, ...]
    codecs: tuple[str, ...] = ()
    tokens: int = 1

    @classmethod
    def of(cls, spaces: Sequence[Space], kind: FeatureKind) -> FeatureSpec:
        """Describe the features of a kind that these spaces hold."""
        if kind is FeatureKind.PATCHES and len(spaces) > 1:
            raise UsageError("expected one space for patch tokens; name one with --space")
        reads_tokens = kind is not FeatureKind.CLS
        grid = spaces[0].row.encoder.patch_grid
        return cls(
            kind=kind,
            spaces=tuple(space.row.fingerprint for space in spaces),
            codecs=tuple(codec_sha256(space) for space in spaces) if reads_tokens else (),
            tokens=grid[0] * grid[1] if kind is FeatureKind.PATCHES else 1,
        )

    def check(self, spaces: Sequence[Space]) -> None:
        """Raise SpaceMismatchError unless these spaces hold the very features described."""
        offered = FeatureSpec.of(spaces, self.kind)
        if offered.spaces != self.spaces:
            raise SpaceMismatchError(
                f"the probe reads features of the space {', '.join(self.spaces)}, "
                f"got those of {', '.join(offered.spaces)}; train a probe on this space, "
                "or build the other one with the encoder it was trained on"
            )
        if offered != self:
            raise SpaceMismatchError(
                "the probe reads patch tokens of an index whose compression is another one than "
                "this index's; train the probe again on this index"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain JSON values."""
        return {
            "kind": self.kind.value,
            "spaces": list(self.spaces),
            "codecs": list(self.codecs),
            "tokens": self.tokens,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> FeatureSpec:
        """Read `to_json`'s output."""
        return cls(
            kind=FeatureKind(value["kind"]),
            spaces=tuple(value["spaces"]),
            codecs=tuple(value["codecs"]),
            tokens=int(value["tokens"]),
        )


def codec_sha256(space: Space) -> str:
    """Return the SHA-256 of a space's patch compression, by its numbers."""
    digest = hashlib.sha256(space.codec.mean.tobytes())
    digest.update(space.codec.basis.tobytes())
    return digest.hexdigest()


def common_ids(spaces: Sequence[Space]) -> Int64:
    """Return the ids (n,) that all of the spaces hold, rising."""
    ids = spaces[0].ids()
    for space in spaces[1:]:
        ids = np.intersect1d(ids, space.ids())
    return ids


def read_features(spaces: Sequence[Space], kind: FeatureKind, ids: Int64 | None) -> Float32:
    """Return features (n, d) float32 of samples, by their ids, which rise; None for all."""
    if kind is FeatureKind.PATCHES:
        _check_size(spaces[0], spaces[0].row.samples if ids is None else len(ids))
    chosen = common_ids(spaces) if ids is None else ids
    asked = None if ids is None and len(spaces) == 1 else chosen.tolist()
    parts = []
    for space in spaces:
        if kind in (FeatureKind.CLS, FeatureKind.CLS_PATCH_MEAN):
            parts.append(space.embeddings(asked).vectors)
        if kind is not FeatureKind.CLS:
            pooled = [_shaped(tokens, kind) for tokens in _token_batches(space, chosen)]
            parts.append(np.concatenate(pooled))
    return np.hstack(parts) if len(parts) > 1 else parts[0]


def feature_batches(
    spaces: Sequence[Space], kind: FeatureKind, ids: Int64
) -> Iterator[tuple[Int64, Float32]]:
    """Yield ids and features of samples without ever holding all tokens."""
    step = len(ids) if kind is FeatureKind.CLS else PATCH_BATCH
    for start in range(0, len(ids), max(step, 1)):
        some = ids[start : start + step]
        yield some, read_features(spaces, kind, some)


def features_of(encoded: Sequence[Features], spaces: Sequence[Space], kind: FeatureKind) -> Float32:
    """Return features (n, d) of new pictures, as they would be read from the index.

    ``encoded`` has one batch of n pictures for each space.
    """
    parts = []
    for features, space in zip(encoded, spaces, strict=True):
        if kind in (FeatureKind.CLS, FeatureKind.CLS_PATCH_MEAN):
            # As stored: rounded to half precision, then brought to unit length.
            parts.append(unit(unit(features.cls).astype(np.float16)))
        if kind is not FeatureKind.CLS:
            rows = space.codec.encode(features.patches)
            parts.append(_shaped(space.codec.decode(rows), kind))
    return np.hstack(parts)


def _token_batches(space: Space, ids: Int64) -> Iterator[Float32]:
    for start in range(0, len(ids), PATCH_BATCH):
        yield space.patches(ids[start : start + PATCH_BATCH].tolist())


def _shaped(tokens: Float32, kind: FeatureKind) -> Float32:
    """Return tokens (n, tokens, d) flat, or their mean and standard deviation (n, 2 d)."""
    if kind is FeatureKind.PATCHES:
        return tokens.reshape(len(tokens), -1)
    return np.concatenate([tokens.mean(axis=1), tokens.std(axis=1)], axis=1)


def _check_size(space: Space, count: int) -> None:
    grid = space.row.encoder.patch_grid
    size = 4 * count * grid[0] * grid[1] * space.codec.dim
    if size > MOST_TOKENS_BYTES:
        most = count * MOST_TOKENS_BYTES // size
        raise UsageError(
            f"the patch tokens of {count} pictures take {size >> 20} MiB of memory; expected at "
            f"most {most} pictures: choose fewer with --where, or read --features patch-mean"
        )
