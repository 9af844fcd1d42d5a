"""Ask an encoder's own head: real or fake, and what that rests on."""

__all__ = ["calibration", "detect", "wording"]
