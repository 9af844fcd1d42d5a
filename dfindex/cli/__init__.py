"""The command line: parse, one library call, render."""

from __future__ import annotations

from dfindex.cli.main import main

__all__ = ["main"]
