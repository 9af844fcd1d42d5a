"""Engines: where and how extraction runs."""

__all__ = ["local"]
