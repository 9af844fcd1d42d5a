"""Near-duplicates of a corpus: pairs, films that share a part, and the groups they form."""
