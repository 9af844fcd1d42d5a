"""Encoders: frozen vision transformers behind one face."""
