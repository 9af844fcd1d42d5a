"""The tones of one picture as another one shows them: a smooth mapping, fitted robustly."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from indexer.types import Float32
from search.verification.alignment import Mask

Places = npt.NDArray[np.floating] | npt.NDArray[np.integer]

SAMPLES = 8_000
ROUNDS = 8
NEAREST = 2.0  # levels: no fit is expected to be better
FEWEST_WHOLE = 0.2  # of the samples
CLIPPED = 4.0  # levels from black or white at which a tone may have been cut off
BINS = 24
FEWEST_IN_BIN = 15
TUKEY = 4.7  # times the spread: where a pixel's weight falls to nothing


def tone_mapped(source: Float32, target: Float32, trusted: Mask) -> Float32:
    """Return the source (h, w, 3) in the target's tones, learnt where ``trusted``.

    A mixture of the channels, cut off at black and white, then a curve for each channel, then a
    slow drift of brightness over the picture. Each is fitted by re-weighted least squares or by
    medians, so that what differs for other reasons is left out.
    """
    rows, columns = np.nonzero(trusted)
    if len(rows) < 50:
        return source
    place = np.linspace(0, len(rows) - 1, min(SAMPLES, len(rows))).astype(np.int64)
    rows, columns = rows[place], columns[place]
    known, wanted = source[rows, columns], target[rows, columns]
    slow = _slow(rows, columns, trusted.shape)
    gain = np.ones(len(rows), dtype=np.float32)
    for _ in range(2):  # tones and drift explain part of each other
        mixture = _mixture(known, wanted / gain[:, None])
        mixed = _mixed(known[None], mixture)[0]
        drift = _drift(mixed, wanted, slow)
        gain = 1 + drift @ slow
    curves = [_curve(mixed[:, each] * gain, wanted[:, each]) for each in range(3)]
    grid = np.indices(trusted.shape, dtype=np.float32)
    gains = 1 + np.tensordot(drift, _slow(grid[0], grid[1], trusted.shape), axes=1)
    result = np.clip(_mixed(source, mixture) * gains[..., None], 0, 255)
    steps = np.arange(256, dtype=np.float32)
    for each, curve in enumerate(curves):
        result[..., each] += np.interp(result[..., each], steps, curve)
    return np.asarray(np.clip(result, 0, 255), dtype=np.float32)


def _mixed(source: Float32, mixture: Float32) -> Float32:
    values = cv2.transform(source, mixture)
    return np.asarray(np.clip(values, 0, 255), dtype=np.float32)


def _mixture(known: Float32, wanted: Float32) -> Float32:
    """Return the channels' mixture (3, 4), drawn a little towards leaving them as they are.

    Pixels that black or white cut off are left out, where enough others remain.
    """
    whole = _within(known).all(axis=1).reshape(-1, 1) & _within(wanted)
    rows = np.column_stack([known / 255, np.ones(len(known), dtype=np.float32)])
    ridge = np.diag([1e-4, 1e-4, 1e-4, 0.0]).astype(np.float32) * len(known)
    result = np.zeros((3, 4), dtype=np.float32)
    for channel in range(3):
        prior = 255 * np.eye(4, dtype=np.float32)[channel]
        usable = whole[:, channel] if whole[:, channel].mean() > FEWEST_WHOLE else True
        weights = np.ones(len(known), dtype=np.float32) * usable
        for _ in range(ROUNDS):
            weighted = rows * weights[:, None]
            normal = weighted.T @ rows + ridge
            solution = np.linalg.solve(normal, weighted.T @ wanted[:, channel] + ridge @ prior)
            weights = _weights(rows @ solution, wanted[:, channel]) * usable
        result[channel] = solution / [255, 255, 255, 1]
    return result


def _within(values: Float32) -> Mask:
    """Where a tone was surely not cut off."""
    return np.asarray((values > CLIPPED) & (values < 255 - CLIPPED), dtype=np.bool_)


def _weights(found: Float32, wanted: Float32, *, nearest: float = NEAREST) -> Float32:
    """Return Tukey's weights; what is cut off at black or white says little."""
    error = found - wanted
    spread = max(nearest, 1.4826 * float(np.median(np.abs(error))))
    weights = np.maximum(0, 1 - (error / (TUKEY * spread)) ** 2) ** 2
    beyond = ((wanted <= CLIPPED) & (error < 0)) | ((wanted >= 255 - CLIPPED) & (error > 0))
    return np.asarray(np.where(beyond, 0, weights), dtype=np.float32)


def _curve(found: Float32, wanted: Float32) -> Float32:
    """Return what to add at each of 256 levels: the median difference around it."""
    edges = np.linspace(0, 256, BINS + 1)
    bins = np.clip(np.searchsorted(edges, found, side="right") - 1, 0, BINS - 1)
    levels, shifts = [], []
    for each in range(BINS):
        members = bins == each
        if members.sum() >= FEWEST_IN_BIN:
            levels.append(float(np.median(found[members])))
            shifts.append(float(np.median((wanted - found)[members])))
    if not levels:
        return np.zeros(256, dtype=np.float32)
    return np.interp(np.arange(256), levels, shifts).astype(np.float32)


def _slow(rows: Places, columns: Places, shape: tuple[int, ...]) -> Float32:
    """Return the terms (5, ...) of a slow drift at these places."""
    x, y = 2 * columns / shape[1] - 1, 2 * rows / shape[0] - 1
    return np.asarray(np.stack([x, y, x * y, x * x - 0.33, y * y - 0.33]), dtype=np.float32)


def _drift(found: Float32, wanted: Float32, slow: Float32) -> Float32:
    """Return the coefficients (5,) of a gain that changes slowly over the picture."""
    grey, goal = found.mean(axis=1), wanted.mean(axis=1)
    rows = (slow * grey).T
    ridge = np.eye(len(slow), dtype=np.float32) * 5.0 * len(rows)
    solution = np.zeros(len(slow), dtype=np.float32)
    for nearest in (15.0, 8.0, 4.0, NEAREST):
        weights = _weights(grey + rows @ solution, goal, nearest=nearest)[:, None]
        normal = (rows * weights).T @ rows + ridge
        solution = np.linalg.solve(normal, (rows * weights).T @ (goal - grey))
    return np.asarray(solution, dtype=np.float32)
