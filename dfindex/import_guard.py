"""Make sure that `search`, `probes` and the like are ours and not a stray file's."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_HOME = Path(__file__).resolve().parents[1]
OWN = ("indexer", "search", "probes")


def check_own_packages() -> None:
    """Raise ImportError where a package dfindex imports would come from somewhere else.

    The names are common: a ``search.py`` in the working folder, or another distribution's
    ``probes``, would be imported in their place.
    """
    for name in OWN:
        _check(name)


def find_benchmarks() -> None:
    """Let the benchmarks be imported: they lie beside dfindex in a checkout, and nowhere else.

    Raise UsageError where dfindex was installed without them, ImportError as for our packages.
    """
    from indexer.errors import UsageError

    if not (_HOME / "benchmarks" / "__init__.py").is_file():
        raise UsageError(
            "the benchmarks are not installed with dfindex: run dfindex bench of a checkout"
        )
    if str(_HOME) not in sys.path:
        sys.path.append(str(_HOME))
    _check("benchmarks")


def _check(name: str) -> None:
    spec = importlib.util.find_spec(name)
    origin = None if spec is None else spec.origin
    if origin is None or Path(origin).resolve() != _HOME / name / "__init__.py":
        raise ImportError(
            f"dfindex needs its own package {name!r} beside {_HOME / 'dfindex'}, "
            f"but Python finds {origin or 'none'}; "
            "rename that file, or start dfindex from another folder"
        )
