"""Encoders: frozen vision transformers behind one face."""

__all__ = [
    "attention",
    "deferred",
    "device",
    "fetch",
    "own_head",
    "published",
    "registry",
    "verification",
    "vit",
    "weights",
]
