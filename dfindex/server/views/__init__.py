"""What pages show, apart from how."""

__all__ = ["corpus", "duplicate_groups", "filters", "page", "pairs", "probes", "sides"]
