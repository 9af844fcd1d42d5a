"""Frozen features and labels in, heads and evidence about them out."""
