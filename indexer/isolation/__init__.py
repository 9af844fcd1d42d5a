"""Isolation: processes in which files are opened, so that no file can stop or crash the rest."""

__all__ = ["pool", "process"]
