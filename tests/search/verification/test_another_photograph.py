"""A floor photographed again from one place, with other things on it, is another picture."""

from __future__ import annotations

import pytest

from dfindex.compare import compare
from search.verdict import Verdict
from tests.checkout import needs_shared, shared_data

PHOTOS = shared_data / "photos_cc0" / "train"
# Found among the 10,000 pairs of that folder that share the most keypoints; each was looked at.
ANOTHER = [
    (
        "skirt/9fcc508a-3a8a-4321-8016-0f734fd13700.jpg",
        "t-shirt/773cca6b-e062-42c9-90e4-53e7f3ff9697.jpg",
    ),
    (
        "skirt/9fcc508a-3a8a-4321-8016-0f734fd13700.jpg",
        "t-shirt/b6fe62a6-eaf9-4748-9248-cc465f1ad265.jpg",
    ),
    (
        "shorts/249788eb-c7d1-470e-8872-196e9010db7b.jpg",
        "t-shirt/4309e451-06b8-4920-86d1-63c6cb86eed5.jpg",
    ),
]
THE_SAME = [
    (
        "shorts/6075b4a5-5b1a-4ce0-aea0-9dbfbca7c35c.jpg",
        "skirt/637a56e4-7fa6-4f75-8859-0f8902461554.jpg",
    ),
    (
        "dress/b59e4d4a-a283-4868-8a81-2f24d8b9c8d8.jpg",
        "dress/e6a8b33f-279c-4072-8dba-229d94205e55.jpg",
    ),
]


@needs_shared
@pytest.mark.parametrize(("one", "other"), ANOTHER)
def test_other_things_on_one_floor_are_similar(one: str, other: str) -> None:
    for pair in ((one, other), (other, one)):
        assert compare(*(PHOTOS / name for name in pair)).verdict is Verdict.SIMILAR


@needs_shared
@pytest.mark.parametrize(("one", "other"), THE_SAME)
def test_one_photograph_in_two_files_is_a_copy(one: str, other: str) -> None:
    assert compare(PHOTOS / one, PHOTOS / other).verdict is Verdict.COPY
