"""Vectors: the segments that hold them, and the nearest neighbours found in them."""

__all__ = [
    "ann",
    "ann_cache",
    "keypoint_cache",
    "keypoint_index",
    "keypoint_lists",
    "patch_codec",
    "segments",
    "space",
]
