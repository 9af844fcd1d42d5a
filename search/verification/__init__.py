"""Verification: whether one picture is a copy of another, by its pixels, and what was altered."""

__all__ = ["alignment", "compare", "description", "features", "transforms"]
