"""``python -m dfindex`` is the command line."""

from __future__ import annotations

from dfindex.cli import main

if __name__ == "__main__":
    main(prog_name="dfindex")
