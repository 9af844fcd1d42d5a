"""The values that travel through dfindex: checked once, in their constructors; no I/O."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
Float32 = npt.NDArray[np.float32]
Float16 = npt.NDArray[np.float16]
Int64 = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]

_MOST_PIXELS = 8192  # a side of what an encoder reads: more would not fit into memory
_ID_DIGITS = 18  # a signed number of 64 bits has all of them
NORM_TOLERANCE = 2e-3  # float16 storage moves the norm of a unit vector by at most about 5e-4


class Reason(StrEnum):
    """Why a file could not be indexed."""

    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    NOT_MEDIA = "not_media"
    TIMEOUT = "timeout"
    INTERNAL = "internal"


class Absence(StrEnum):
    """Why a sample's file cannot be had any more, what says least of it first."""

    GONE = "gone"
    UNREADABLE = "unreadable"
    CHANGED = "changed"

    @property
    def words(self) -> str:
        """What is said of such a file."""
        said = {"gone": "is gone", "unreadable": "cannot be read", "changed": "has changed"}
        return said[self.value]


class Kind(StrEnum):
    """What a sample is."""

    IMAGE = "image"
    FRAME = "frame"
    FACE = "face"


class Layout(StrEnum):
    """How a checkpoint names its tensors."""

    HF_VIT = "hf_vit"
    TIMM = "timm"
    TIMM_VIT_PREFIXED = "timm.vit-prefixed"
    CLIP = "clip"
    HF = "hf"  # any other vision transformer of Hugging Face's
    CUSTOM = "custom"  # encoders registered from Python, with no weight file of their own


class Head(StrEnum):
    """What the encoder's own classification head returns."""

    SIGMOID1 = "sigmoid1"
    SOFTMAX2 = "softmax2"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Preset:
    """How a picture becomes the encoder's input: preprocessing as data.

    ``resize`` is ``squash`` (the whole picture to ``size`` x ``size``) or ``shortest-edge``
    (the shorter side to ``resize_to``, then a centre crop of ``size``). ``interpolation`` is a
    Pillow filter name. ``mean`` and ``std`` apply to channel values in 0..1, RGB order.
    """

    name: str
    size: int
    resize: str = "squash"
    resize_to: int | None = None
    interpolation: str = "bicubic"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        edge = self.size if self.resize_to is None else self.resize_to
        if not 1 <= self.size <= _MOST_PIXELS or not 1 <= edge <= _MOST_PIXELS:
            raise ValueError(
                f"preset {self.name}: expected positive sides of at most {_MOST_PIXELS} pixels, "
                f"got {self.size} and {edge}"
            )
        if self.resize not in ("squash", "shortest-edge"):
            raise ValueError(
                f"preset {self.name}: resize is squash or shortest-edge, got {self.resize!r}"
            )
        if self.interpolation not in ("bilinear", "bicubic", "lanczos"):
            raise ValueError(
                f"preset {self.name}: interpolation is bilinear, bicubic or lanczos, "
                f"got {self.interpolation!r}"
            )
        if (self.resize == "shortest-edge") != (self.resize_to is not None):
            raise ValueError(
                f"preset {self.name}: resize_to belongs to shortest-edge, and to it only"
            )


@dataclass(frozen=True, kw_only=True)
class EncoderSpec:
    """What an encoder is, as data; its fingerprint names the space its vectors live in.

    ``source`` is ``repo@revision`` or ``packaged:NAME`` or ``folder:NAME`` and is not part of the
    fingerprint: the same weights from another place make the same vectors. ``precision_class`` is
    ``float`` for fp32, bf16 and fp16 (their vectors agree to a cosine of .9999) and ``int8`` else.
    """

    name: str
    source: str
    weights_sha256: str
    layout: Layout
    dim: int
    patch_grid: tuple[int, int]
    preset: Preset
    head: Head = Head.NONE
    fake_index: int | None = None
    fake_index_provenance: str = ""
    layer: int = -1
    precision_class: str = "float"
    licence: str = "unknown"

    def __post_init__(self) -> None:
        if len(self.weights_sha256) != 64:
            raise ValueError(f"encoder {self.name}: weights_sha256 must have 64 hex digits")
        if self.dim < 1 or min(self.patch_grid) < 1:
            raise ValueError(f"encoder {self.name}: dim and patch_grid must be positive")

    @property
    def fingerprint(self) -> str:
        """16 hex digits over everything that changes the vectors, and nothing else."""
        preset = asdict(self.preset)
        preset.pop("name")
        identity = {
            "weights": self.weights_sha256,
            "layout": self.layout.value,
            "preset": preset,
            "layer": self.layer,
            "precision_class": self.precision_class,
        }
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def space(self) -> str:
        """Name of the space for people: the encoder's name, and the layer unless it is the last."""
        return self.name if self.layer == -1 else f"{self.name}@{self.layer}"

    def to_json(self) -> dict[str, object]:
        """Return the spec as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, object]) -> EncoderSpec:
        """Build a spec from `to_json`'s output; raise ValueError, KeyError or TypeError else."""
        fields = dict(value)
        preset = dict(fields.pop("preset"))  # type: ignore[call-overload]
        preset["mean"], preset["std"] = tuple(preset["mean"]), tuple(preset["std"])
        fields["patch_grid"] = tuple(fields["patch_grid"])  # type: ignore[arg-type]
        fields["layout"], fields["head"] = Layout(str(fields["layout"])), Head(str(fields["head"]))
        return cls(preset=Preset(**preset), **fields)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Features:
    """What an encoder reads from a batch of B pictures.

    ``cls`` (B, D) float32, after the final LayerNorm, not normalised; ``patches`` (B, N, D)
    float32, after the same LayerNorm, row by row of the grid; ``logits`` (B, C) float32 or None;
    ``attention`` (layers, B, heads, T, T) float32, only where asked for.
    """

    cls: Float32
    patches: Float32
    logits: Float32 | None = None
    attention: Float32 | None = None

    def __post_init__(self) -> None:
        if self.cls.ndim != 2 or self.patches.ndim != 3:
            raise ValueError(
                f"features: expected cls (B, D) and patches (B, N, D), "
                f"got {self.cls.shape} and {self.patches.shape}"
            )
        if self.cls.shape[0] != self.patches.shape[0] or self.cls.shape[1] != self.patches.shape[2]:
            raise ValueError(
                f"features: cls {self.cls.shape} and patches {self.patches.shape} differ"
            )
        if not np.isfinite(self.cls).all() or not np.isfinite(self.patches).all():
            raise ValueError("features: NaN or infinity among the encoder's outputs")

    def __len__(self) -> int:
        return int(self.cls.shape[0])


class Encoder(Protocol):
    """The seam every encoder stands behind: torch models, and the tests' hand-computable one."""

    @property
    def spec(self) -> EncoderSpec:
        """What the encoder is."""

    @property
    def device(self) -> str:
        """Where it runs: cpu, cuda, mps, xpu."""

    @property
    def precision(self) -> str:
        """What it computes in: fp32, bf16, fp16, int8."""

    def encode(self, images: UInt8) -> Features:
        """Read images (B, size, size, 3) uint8 RGB, already shaped by the spec's preset."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What gets an embedding: a whole image or page, a frame at a time, a face crop.

    ``page`` counts from 1 and is None where a file holds one picture; ``available`` is False where
    its file could not be opened, or is another one by now, and ``absence`` is the reason.
    """

    id: int
    path: str
    sha256: str
    kind: Kind = Kind.IMAGE
    time_s: float | None = None
    page: int | None = None
    box: tuple[int, int, int, int] | None = None
    width: int
    height: int
    label: str | None = None
    generator: str | None = None
    source: str | None = None
    available: bool = True
    absence: Absence | None = None

    def without_file(self, absence: Absence) -> Sample:
        """Return the sample as one whose file could not be opened."""
        return replace(self, available=False, absence=absence)


@dataclass(frozen=True)
class Span:
    """When a frame is shown, and the part of its video that it stands for, in seconds."""

    time_s: float
    from_s: float
    until_s: float


@dataclass(frozen=True)
class Embeddings:
    """Unit vectors and the ids they belong to: ids (n,) int64 unique, vectors (n, dim) float32."""

    ids: Int64
    vectors: Float32

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.ids.shape != (self.vectors.shape[0],):
            raise ValueError(f"embeddings: {self.ids.shape} ids for vectors {self.vectors.shape}")
        if len(np.unique(self.ids)) != len(self.ids):
            raise ValueError("embeddings: an id occurs twice")
        if not np.isfinite(self.vectors).all():
            raise ValueError("embeddings: NaN or infinity among the vectors")
        norms = np.linalg.norm(self.vectors, axis=1)
        if len(norms) and float(np.abs(norms - 1).max()) > NORM_TOLERANCE:
            raise ValueError("embeddings: vectors must have unit length")

    def __len__(self) -> int:
        return int(self.ids.shape[0])


def sample_id(text: str) -> int | None:
    """Return the sample's id that a text is, None where it is none: up to 18 of the digits 0-9."""
    is_id = text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS
    return int(text) if is_id else None


def unit(vectors: FloatArray) -> Float32:
    """Scale rows (..., dim) to unit length; a zero row stays zero."""
    v = np.asarray(vectors, dtype=np.float32)
    norms = np.linalg.norm(v, axis=-1, keepdims=True)
    return np.asarray(v / np.where(norms > 0, norms, 1), dtype=np.float32)
