"""`dfindex bench build|copy`."""

from __future__ import annotations

import click


@click.group()
def bench() -> None:
    """Measure dfindex on this machine, with the baselines in the same run."""
