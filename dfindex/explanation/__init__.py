"""Where an encoder or a probe looks in a picture."""

__all__ = ["explain", "saving"]
