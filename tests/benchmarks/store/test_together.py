"""Everything at once does to an index what one thing after the other does, and nobody is failed."""

from __future__ import annotations

import pytest

from benchmarks.store.together import run


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_all_at_once_is_as_one_by_one() -> None:
    report = run(minutes=1.0)
    assert report.failed == {}
    assert report.same
    for name in ("build", "search", "thumbnail", "reads", "duplicates", "keypoints read"):
        assert report.done.get(name, 0) > 0, name
