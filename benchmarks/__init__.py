"""Reproducible measurements with their baselines in the same run."""

__all__ = ["build_throughput", "copies", "engines", "probes", "search_latency"]
