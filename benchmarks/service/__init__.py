"""The service under clients: how soon it answers, what it takes, and what it stands."""

__all__ = ["index", "process"]
