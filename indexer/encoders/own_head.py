"""What an encoder's own head says: from its logits to the log-odds of fake."""

from __future__ import annotations

import numpy as np

from indexer.errors import EncoderError
from indexer.types import EncoderSpec, Float32, Head

_LABELS = {Head.SIGMOID1: 1, Head.SOFTMAX2: 2}


def require_head(spec: EncoderSpec, *, having: str) -> None:
    """Raise EncoderError for an encoder that cannot tell real from fake.

    ``having`` names the encoders that can.
    """
    if spec.head is Head.NONE:
        raise EncoderError(
            f"expected an encoder with a fake/real head, got {spec.name}, which has none; "
            f"use --encoder with one of {having}, or a folder of such a model"
        )


def declared_fake_index(spec: EncoderSpec) -> int:
    """Return the index that is fake as far as anyone says; 1 of two where nothing is proved."""
    if spec.head is Head.SIGMOID1:
        return 0
    return 1 if spec.fake_index is None else spec.fake_index


def log_odds(spec: EncoderSpec, logits: Float32) -> Float32:
    """Return the log-odds of fake (n,) as the encoder declares them, from its logits (n, labels).

    One logit is log-odds already: a softmax over it would always be 1. Of two logits it is their
    difference, whose sigmoid is the softmax. Raise EncoderError where the logits are not as many
    as the head has labels.
    """
    labels = _LABELS.get(spec.head)
    if labels is None or logits.ndim != 2 or logits.shape[1] != labels:
        raise EncoderError(
            f"{spec.name}: expected {labels or 'no'} logits a picture from a {spec.head.value} "
            f"head, got {logits.shape}; get weights and config.json from the same revision"
        )
    if labels == 1:
        return logits[:, 0]
    fake = declared_fake_index(spec)
    return logits[:, fake] - logits[:, 1 - fake]


def probability(odds: float) -> float:
    """Return the sigmoid of log-odds, without overflow."""
    return float(np.exp(-np.logaddexp(0.0, -odds)))


def orientation(spec: EncoderSpec) -> str:
    """Return how sure the declared orientation is: proved, assumed or unverified."""
    return spec.fake_index_provenance.partition(":")[0] or "unverified"
