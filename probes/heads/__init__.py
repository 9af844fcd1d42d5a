"""Heads: classifiers whose fitted state is arrays and numbers."""
