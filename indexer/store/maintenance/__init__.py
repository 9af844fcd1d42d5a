"""Maintenance: compact, examine and repair an index; nothing that was removed comes back."""

__all__ = [
    "compaction",
    "examination",
    "joining",
    "leftovers",
    "quarantine",
    "readmission",
    "repair",
]
