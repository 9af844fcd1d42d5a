"""What was found, as pictures."""

__all__ = ["comparison", "curves", "heatmap", "layers", "strip", "thumbnails"]
