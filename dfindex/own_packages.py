"""Make sure that `search`, `probes` and the like are ours and not a stray file's."""

from __future__ import annotations

import importlib.util
from pathlib import Path

OWN = ("indexer", "search", "probes", "benchmarks")


def check_own_packages() -> None:
    """Raise ImportError where a package dfindex imports would come from somewhere else.

    The names are common: a ``search.py`` in the working folder, or another distribution's
    ``benchmarks``, would be imported in their place.
    """
    home = Path(__file__).resolve().parent
    for name in OWN:
        spec = importlib.util.find_spec(name)
        origin = None if spec is None else spec.origin
        if origin is None or Path(origin).resolve() != home.parent / name / "__init__.py":
            raise ImportError(
                f"dfindex needs its own package {name!r} beside {home}, "
                f"but Python finds {origin or 'none'}; "
                "rename that file, or start dfindex from another folder"
            )
