"""dfindex: an embedding index and similarity search for media forensics.

>>> import dfindex
>>> index = dfindex.build(["./corpus"], index="./.dfindex")  # doctest: +SKIP
>>> hits = index.search("query.jpg", k=10).hits  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dfindex.import_guard import check_own_packages

if TYPE_CHECKING:
    from dfindex.index import Index, build

__version__ = "0.1.0"
__all__ = ["Index", "__version__", "build", "open"]

check_own_packages()


def open(path: Any = ".dfindex") -> Index:
    """Open an index for reading; raise IndexNotFoundError where there is none."""
    from dfindex.index import Index

    return Index(path)


def __getattr__(name: str) -> Any:
    """Import `build` and `Index` when they are first asked for: the front door stays light."""
    if name in ("Index", "build"):
        from dfindex import index

        return getattr(index, name)
    raise AttributeError(f"module 'dfindex' has no attribute {name!r}")
