"""dfindex: an embedding index and similarity search for media forensics."""
