"""Heads on the frames of a clip in their order: a light transformer beside a mean-pooled baseline.

The baseline is told apart from the temporal head only by what it cannot see: the order of frames.
Both are fitted and measured on the same splits, in which a source video is on one side only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from torch import nn

from indexer.encoders.device import one_thread
from indexer.errors import UsageError
from indexer.store.catalog.catalog import Catalog, FrameRow
from indexer.store.vectors.space import Space
from indexer.types import Float32, FloatArray, Int64
from probes.heads.linear import LogisticHead

FRAMES = 12
WIDTH, HEADS, LAYERS, DROPOUT = 64, 4, 1, 0.1
EPOCHS, BATCH, RATE, DECAY = 60, 32, 2e-3, 0.05
FEWEST_STEPS = 500  # however few the clips
WARM_UP = 0.1  # of all steps
SMOOTHING, CLIP = 0.1, 1.0


@dataclass(frozen=True)
class Clips:
    """Clips as sequences: ``contents`` are n SHA-256, ``vectors`` (n, frames, dim) float32."""

    contents: tuple[str, ...]
    vectors: Float32


@dataclass(frozen=True, kw_only=True)
class TemporalReport:
    """Areas under the curve (ROC) over the same held-out clips, each scored once."""

    temporal_auc: float
    mean_pooled_auc: float
    clips: int
    groups: int
    folds: int
    frames: int
    device: str
    seed: int


def clips_of(
    catalog: Catalog, space: Space, contents: Sequence[str], frames: int = FRAMES
) -> Clips:
    """Return the sequences of some videos: what is shown in the middle of equal parts.

    A frame that was kept for several parts is shown in each of them. Contents that are no videos
    of this space are left out.
    """
    rows = catalog.frames(list(contents))
    stored = space.embeddings([row.id for row in rows])
    vectors = dict(zip(stored.ids.tolist(), stored.vectors, strict=True))
    by_content: dict[str, list[FrameRow]] = {}
    for row in rows:
        if row.id in vectors and row.span.until_s > row.span.from_s:
            by_content.setdefault(row.sha256, []).append(row)
    found = [content for content in contents if content in by_content]
    picked = [
        [vectors[one.id] for one in _spread(by_content[content], frames)] for content in found
    ]
    shape = (0, frames, space.row.dim)
    array = np.array(picked, dtype=np.float32) if picked else np.empty(shape, np.float32)
    return Clips(tuple(found), array)


def _spread(rows: Sequence[FrameRow], frames: int) -> Iterator[FrameRow]:
    """Yield the frame that stands for the middle of each of ``frames`` equal parts."""
    ends = np.array([row.span.until_s for row in rows])
    for part in range(frames):
        middle = ends[-1] * (part + 0.5) / frames
        yield rows[min(len(rows) - 1, int(np.searchsorted(ends, middle, side="right")))]


class TemporalHead:
    """A small transformer over the frames of a clip, for two classes.

    Frames are projected to ``WIDTH`` numbers, given their places, and read by one layer of
    attention; the mean of what it makes of them decides. Classes are drawn equally often.
    """

    def __init__(self, *, epochs: int = EPOCHS, seed: int = 0, device: str = "auto") -> None:
        self.epochs = epochs
        self.seed = seed
        self.device = device

    def fit(self, X: FloatArray, y: Int64) -> TemporalHead:
        """Learn from sequences (n, frames, dim) and classes (n,) of 0 and 1."""
        labels = np.asarray(y, dtype=np.int64)
        if X.ndim != 3 or len(X) != len(labels) or set(np.unique(labels).tolist()) != {0, 1}:
            raise ValueError(f"expected (n, frames, dim) of classes 0 and 1, got {X.shape}")
        self.device_ = _device(self.device)
        with torch.random.fork_rng(devices=[]), one_thread():
            torch.manual_seed(self.seed)
            self.model_ = _Net(X.shape[1], X.shape[2]).to(self.device_)
            self._train(torch.from_numpy(np.asarray(X, np.float32)), torch.from_numpy(labels))
        return self

    def predict_proba(self, X: FloatArray) -> FloatArray:
        """Return probabilities (n, 2), not calibrated."""
        self.model_.eval()
        values = torch.from_numpy(np.asarray(X, np.float32)).to(self.device_)
        with torch.inference_mode():
            return np.asarray(self.model_(values).float().softmax(dim=1).cpu().numpy())

    def _train(self, X: torch.Tensor, y: torch.Tensor) -> None:
        batches = max(1, len(X) // BATCH)
        steps = max(FEWEST_STEPS, self.epochs * batches)
        optimiser = torch.optim.AdamW(self.model_.parameters(), lr=RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda at: _rate(at, steps))
        loss = nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
        weights = 1.0 / torch.bincount(y).double()[y]
        self.model_.train()
        for _ in range(steps):
            drawn = torch.multinomial(weights, min(BATCH, len(X)), replacement=True)
            with _mixed(self.device_):
                scores = self.model_(X[drawn].to(self.device_))
                value = loss(scores.float(), y[drawn].to(self.device_))
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            nn.utils.clip_grad_norm_(self.model_.parameters(), CLIP)
            optimiser.step()
            schedule.step()


class _Net(nn.Module):
    def __init__(self, frames: int, dim: int) -> None:
        super().__init__()
        self.scale = dim**0.5  # unit vectors come in; numbers of about 1 go on
        self.project = nn.Linear(dim, WIDTH)
        self.places = nn.Parameter(torch.randn(frames, WIDTH) * 0.5)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 2 * WIDTH, DROPOUT, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return scores (B, 2) of sequences (B, frames, dim)."""
        tokens = self.project(x * self.scale) + self.places
        scores: torch.Tensor = self.head(self.encoder(tokens).mean(dim=1))
        return scores


def _rate(step: int, steps: int) -> float:
    """Return the share of the learning rate: rising over the warm-up, then half a cosine."""
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + float(np.cos(np.pi * (step - warm) / max(1, steps - warm))))


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


def _mixed(device: str) -> Any:
    return torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda")


def evaluate_temporal(
    X: FloatArray,
    y: Int64,
    groups: Sequence[str],
    *,
    folds: int = 5,
    seed: int = 0,
    epochs: int = EPOCHS,
    device: str = "auto",
) -> TemporalReport:
    """Measure the temporal head and the mean-pooled baseline on the same folds.

    X is (n, frames, dim), y (n,) of 0 and 1; clips of one of ``groups`` (n,), a source video, stay
    together. Raise UsageError where a class has fewer groups than there must be folds.
    """
    names = np.asarray(groups)
    least = min(len(np.unique(names[y == label])) for label in (0, 1))
    if least < 2:
        raise UsageError(
            f"expected at least 2 source videos of each class to split by, got {least}; "
            "label more videos, or give their sources as groups"
        )
    splitter = StratifiedGroupKFold(min(folds, least), shuffle=True, random_state=seed)
    temporal, pooled = np.full(len(y), np.nan), np.full(len(y), np.nan)
    used = 0
    for train, test in splitter.split(X, y, names):
        if len(np.unique(y[train])) < 2:
            continue
        used += 1
        head = TemporalHead(epochs=epochs, seed=seed, device=device).fit(X[train], y[train])
        temporal[test] = head.predict_proba(X[test])[:, 1]
        baseline = LogisticHead().fit(X[train].mean(axis=1), y[train], names[train])
        pooled[test] = baseline.predict_proba(X[test].mean(axis=1))[:, 1]
    scored = np.isfinite(temporal)
    return TemporalReport(
        temporal_auc=float(roc_auc_score(y[scored], temporal[scored])),
        mean_pooled_auc=float(roc_auc_score(y[scored], pooled[scored])),
        clips=int(scored.sum()),
        groups=len(np.unique(names)),
        folds=used,
        frames=int(X.shape[1]),
        device=_device(device),
        seed=seed,
    )
