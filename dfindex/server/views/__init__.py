"""What pages show, apart from how."""

__all__ = ["corpus", "duplicate_groups", "filters", "pairs", "probes", "sides", "page"]
