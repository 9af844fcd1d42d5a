"""The routes: the API, and the pages."""

__all__ = ["api", "duplicates", "health", "login", "pages", "probes"]
