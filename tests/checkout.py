"""Where this checkout is, the media in it, and the shared media beside it with their mark."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"
PHOTOS = DATA / "photos"

shared_data = ROOT.parent / "shared" / "data"

needs_shared = pytest.mark.skipif(
    not shared_data.is_dir(), reason="the shared test media are not beside this checkout"
)
