"""Films, animations and folders of frames: the picture that is shown at a time."""

__all__ = ["frames", "opening", "stills", "video"]
