"""Media: what a file holds, as pictures that an encoder or an eye can take."""

__all__ = ["files", "formats", "image", "scales", "source", "videos"]
