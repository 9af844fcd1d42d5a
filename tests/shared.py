"""Where the shared test media lie beside a checkout, and the mark for tests that need them."""

from __future__ import annotations

from pathlib import Path

import pytest

shared_data = Path(__file__).resolve().parents[2] / "shared" / "data"

needs_shared = pytest.mark.skipif(
    not shared_data.is_dir(), reason="the shared test media are not beside this checkout"
)
