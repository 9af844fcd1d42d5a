"""Check what an index keeps of an encoder's head: logit = W . cls + b, for every sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from indexer.encoders import registry, weights
from indexer.errors import StoreError, WeightsError
from indexer.store.catalog.catalog import SpaceRow
from indexer.store.head_outputs import HeadOutputs
from indexer.store.maintenance.examination import Examination, Finding, HeadCheck
from indexer.store.reader import IndexReader
from indexer.types import Float32, Head

TOLERANCE = 1e-4


def check_heads(index: Path, result: Examination) -> None:
    """Add to ``result`` how well stored logits agree with the head; a finding where they do not.

    Spaces whose encoder is not on this machine, or holds other weights by now, are said to be
    unchecked. An index that cannot be read is left to the other checks.
    """
    try:
        with IndexReader(index) as reader:
            for row in reader.spaces():
                if row.encoder.head is not Head.NONE and row.encoder.layer == -1:
                    _check(reader, row, result)
    except StoreError:
        return


def _check(reader: IndexReader, row: SpaceRow, result: Examination) -> None:
    folder = reader.folder.space(row.fingerprint)
    outputs = HeadOutputs(reader.catalog, row.fingerprint, folder, row.dim)
    head = _head_of(row)
    samples, largest, worst = 0, 0.0, 0.0
    for cls, logits in outputs.batches():
        samples += len(cls)
        if head is not None and len(cls):
            difference = np.abs(cls @ head[0].T + head[1] - logits)
            largest = max(largest, float(difference.max()))
            worst = max(worst, float((difference / np.maximum(1.0, np.abs(logits))).max()))
    check = HeadCheck(
        space=row.name,
        encoder=row.loaded_from,
        samples=samples,
        largest=None if head is None else largest,
        holds=worst <= TOLERANCE,
    )
    result.heads.append(check)
    if not check.holds:
        result.findings.append(
            Finding(
                str(folder.path),
                f"expected logits within {TOLERANCE:g} of what the head makes of the stored class "
                f"tokens, got a difference of {largest:.3g}; build the space again",
            )
        )


def _head_of(row: SpaceRow) -> tuple[Float32, Float32] | None:
    folder = registry.folder_of(row.loaded_from)
    path = None if folder is None else folder / weights.WEIGHTS_FILE
    if path is None or not path.is_file():
        return None
    try:
        if weights.file_sha256(path) != row.encoder.weights_sha256:
            return None
        pair = weights.read_head(path)
    except WeightsError:
        return None
    return None if pair is None else (pair[0].numpy(), pair[1].numpy())
