"""Near-duplicates of a corpus: pairs, films that share a part, and the groups they form."""

__all__ = ["groups", "near_pairs"]
