"""Bytes in, an index on disk out."""

__all__ = [
    "build",
    "closing",
    "corpus",
    "disk",
    "encoders",
    "engines",
    "errors",
    "extract",
    "isolation",
    "keypoints",
    "labels",
    "labels_csv",
    "media",
    "originals",
    "preprocess",
    "preprocess_views",
    "silenced_warnings",
    "store",
    "structure",
    "types",
]
