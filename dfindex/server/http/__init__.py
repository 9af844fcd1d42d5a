"""What a request brings and passes before it is answered: addresses, limits, tokens, bodies."""

__all__ = [
    "access",
    "addresses",
    "bodies",
    "connections",
    "departures",
    "errors",
    "gate",
    "intake",
    "ranges",
    "schemas",
]
