"""Engines: where and how extraction runs."""
