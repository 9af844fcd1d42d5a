"""Probes of an index as people use them."""
