"""What `dfindex doctor` looks at: the store, what lies beside it, and the files it is of."""

__all__ = ["doctor"]
