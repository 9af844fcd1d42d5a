"""Frozen features and labels in, heads and evidence about them out."""

__all__ = [
    "choices",
    "dataset",
    "evaluation",
    "features",
    "grouping",
    "heads",
    "maps",
    "recipe",
    "rollout",
    "storage",
    "suggest",
]
