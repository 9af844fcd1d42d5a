"""Probes: what they reach, beside MesoNet and from how few pictures."""
