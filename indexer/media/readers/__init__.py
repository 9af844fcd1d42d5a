"""Ways to read pictures that Pillow reads not at all, or not as they look."""

__all__ = ["avif", "heif", "jpeg_xl", "png", "raw", "tiff"]
