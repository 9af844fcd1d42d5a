"""Ways to read pictures that Pillow reads not at all, or not as they look."""
