"""What can be chosen of a probe, by name; light, so that a command line can list it."""

from __future__ import annotations

from enum import StrEnum

AUTO = "auto"
REAL_ONLY = "real-only"
# The simplest first: among equals the first one is chosen.
HEAD_NAMES = (
    "prototypes",
    "nearest-mean",
    "mahalanobis",
    "lda",
    "ridge",
    "logistic",
    "cache",
    "knn",
)
METHODS = (AUTO, *HEAD_NAMES, REAL_ONLY)


class Target(StrEnum):
    """What a probe tells apart."""

    FAKE = "fake"
    GENERATOR = "generator"


class Calibration(StrEnum):
    """How scores become probabilities."""

    PLATT = "platt"
    ISOTONIC = "isotonic"
    NONE = "none"


class FeatureKind(StrEnum):
    """Which features of a space a probe reads."""

    CLS = "cls"
    PATCH_MEAN = "patch-mean"  # mean and standard deviation over the tokens
    CLS_PATCH_MEAN = "cls+patch-mean"
    PATCHES = "patches"  # all tokens, for patch heads


class SplitBy(StrEnum):
    """What an evaluation keeps together."""

    AUTO = "auto"
    GROUP = "group"
    SOURCE = "source"
    CONTENT = "content"
    GENERATOR = "generator"
