"""Probes of an index as people use them."""

__all__ = ["new_files", "options", "probes", "results"]
