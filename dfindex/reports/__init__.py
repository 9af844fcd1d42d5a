"""What was found, as pages that need no network and no other file."""

__all__ = ["duplicates", "map", "probe", "search"]
