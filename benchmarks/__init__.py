"""Reproducible measurements with their baselines in the same run."""
