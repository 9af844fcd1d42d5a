"""Heads: classifiers whose fitted state is arrays and numbers."""

__all__ = ["nearest", "one_class", "patch", "registry"]
