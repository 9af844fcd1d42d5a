"""The service: an HTTP API, and the page an investigator works in."""

__all__ = ["run", "settings"]
