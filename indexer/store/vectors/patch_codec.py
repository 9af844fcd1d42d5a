"""Store patch tokens in a fiftieth of their size: a projection, then 8 bits a number.

A picture of N tokens in D dimensions takes 4·N·D bytes as float32. The codec subtracts the mean
token, keeps the ``dim`` principal directions of the tokens of the space's first pictures, and
rounds each token to int8 with a scale of its own.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from indexer.errors import IndexDamagedError
from indexer.types import Float32, UInt8

DEFAULT_DIM = 96
_SCALE_BYTES = 4


@dataclass(frozen=True)
class PatchCodec:
    """Parameters of a space's patch compression.

    ``mean`` (D,) float32 is the mean token; ``basis`` (D, dim) float32 has orthonormal columns.
    """

    mean: Float32
    basis: Float32

    def __post_init__(self) -> None:
        if self.basis.ndim != 2 or self.mean.shape != (self.basis.shape[0],):
            raise ValueError(f"patch codec: mean {self.mean.shape}, basis {self.basis.shape}")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.basis).all()):
            raise ValueError("patch codec: NaN or infinity among the parameters")

    @classmethod
    def fit(cls, tokens: Float32, *, dim: int = DEFAULT_DIM) -> PatchCodec:
        """Fit mean and principal directions to tokens (n, D) float32."""
        mean = tokens.mean(axis=0, dtype=np.float64)
        centred = tokens.astype(np.float64) - mean
        _, directions = np.linalg.eigh(centred.T @ centred)
        basis = directions[:, ::-1][:, : min(dim, tokens.shape[1])]
        return cls(mean.astype(np.float32), np.ascontiguousarray(basis, dtype=np.float32))

    @property
    def dim(self) -> int:
        """Numbers kept for each token."""
        return int(self.basis.shape[1])

    def row_bytes(self, tokens: int) -> int:
        """Bytes a picture of ``tokens`` tokens takes."""
        return tokens * (self.dim + _SCALE_BYTES)

    def encode(self, patches: Float32) -> UInt8:
        """Compress patches (B, N, D) float32 to (B, row_bytes) uint8."""
        projected = (patches - self.mean) @ self.basis
        scales = np.abs(projected).max(axis=2).astype(np.float32) / 127
        safe = np.where(scales > 0, scales, 1)[..., None]
        codes = np.rint(projected / safe).astype(np.int8)
        batch = patches.shape[0]
        return np.concatenate(
            [codes.reshape(batch, -1).view(np.uint8), scales.view(np.uint8)], axis=1
        )

    def decode(self, rows: UInt8) -> Float32:
        """Return the projected tokens (B, N, dim) float32 of rows (B, row_bytes) uint8.

        Dot products and distances between them are those of the centred tokens, up to what the
        projection and rounding drop.
        """
        tokens = rows.shape[1] // (self.dim + _SCALE_BYTES)
        codes = rows[:, : tokens * self.dim].view(np.int8).reshape(-1, tokens, self.dim)
        scales = np.ascontiguousarray(rows[:, tokens * self.dim :]).view(np.float32)
        return np.asarray(codes * scales[..., None], dtype=np.float32)

    def project(self, patches: Float32) -> Float32:
        """Put uncompressed patches (B, N, D) beside decoded ones: (B, N, dim) float32."""
        return np.asarray((patches - self.mean) @ self.basis, dtype=np.float32)

    def to_bytes(self) -> bytes:
        """Return the parameters as the bytes of an .npz archive."""
        buffer = io.BytesIO()
        np.savez(buffer, mean=self.mean, basis=self.basis)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> PatchCodec:
        """Read `to_bytes`' output; raise IndexDamagedError where it is something else."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                return cls(archive["mean"], archive["basis"])
        # What zipfile and NumPy say of an archive depends on the place of the damage.
        except Exception as error:
            raise IndexDamagedError(
                "the patch codec of a space cannot be read; build the space again"
            ) from error
