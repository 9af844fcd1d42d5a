"""Vectors in, evidence out."""
