"""Probes: what they reach, beside MesoNet and from how few pictures."""

__all__ = ["shots", "table"]
