"""Vectors: the segments that hold them, and the nearest neighbours found in them."""
