"""The tones of one picture as another one shows them: a smooth mapping, fitted robustly."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from indexer.types import Float32
from search.alignment import Mask

Places = npt.NDArray[np.floating] | npt.NDArray[np.integer]

SAMPLES = 8_000
ROUNDS = 8
NEAREST = 2.0  # levels: no fit is expected to be better
CLIPPED = 4.0  # levels from black or white at which a tone may have been cut off
BINS = 24
FEWEST_IN_BIN = 15
TUKEY = 4.7  # times the spread: where a pixel's weight falls to nothing


def toned(source: Float32, target: Float32, trusted: Mask) -> Float32:
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
    wanted = target[rows, columns]
    mixed = _mixed(source, _mixture(source[rows, columns], wanted))
    for channel in range(3):
        curve = _curve(mixed[rows, columns, channel], wanted[:, channel])
        steps = np.arange(256, dtype=np.float32)
        mixed[..., channel] += np.interp(mixed[..., channel], steps, curve)
    drift = _drift(mixed[rows, columns], wanted, _slow(rows, columns, trusted.shape))
    grid = np.indices(trusted.shape, dtype=np.float32)
    gain = 1 + np.tensordot(drift, _slow(grid[0], grid[1], trusted.shape), axes=1)
    return np.asarray(np.clip(mixed * gain[..., None], 0, 255), dtype=np.float32)


def _mixed(source: Float32, mixture: Float32) -> Float32:
    values = cv2.transform(source, mixture)
    return np.asarray(np.clip(values, 0, 255), dtype=np.float32)


def _mixture(known: Float32, wanted: Float32) -> Float32:
    """Return the channels' mixture (3, 4), drawn a little towards leaving them as they are."""
    rows = np.column_stack([known / 255, np.ones(len(known), dtype=np.float32)])
    ridge = np.diag([0.003, 0.003, 0.003, 0.0]).astype(np.float32) * len(known)
    result = np.zeros((3, 4), dtype=np.float32)
    for channel in range(3):
        prior = 255 * np.eye(4, dtype=np.float32)[channel]
        weights = np.ones(len(known), dtype=np.float32)
        for _ in range(ROUNDS):
            weighted = rows * weights[:, None]
            normal = weighted.T @ rows + ridge
            solution = np.linalg.solve(normal, weighted.T @ wanted[:, channel] + ridge @ prior)
            weights = _weights(rows @ solution, wanted[:, channel])
        result[channel] = solution / [255, 255, 255, 1]
    return result


def _weights(found: Float32, wanted: Float32) -> Float32:
    """Return Tukey's weights; what is cut off at black or white says little."""
    error = found - wanted
    spread = max(NEAREST, 1.4826 * float(np.median(np.abs(error))))
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
    ridge = np.eye(len(slow), dtype=np.float32) * 20.0 * len(rows)
    solution = np.zeros(len(slow), dtype=np.float32)
    for _ in range(4):
        weights = _weights(grey + rows @ solution, goal)[:, None]
        solution = np.linalg.solve(
            (rows * weights).T @ rows + ridge, (rows * weights).T @ (goal - grey)
        )
    return np.asarray(solution, dtype=np.float32)
