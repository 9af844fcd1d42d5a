"""The pictures a file shows at some times, wherever it lies, for those who look at pixels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from indexer.decode import DecodedImage
from indexer.errors import MediaError
from indexer.files import Limits
from indexer.media import Media
from indexer.video import Sampling


def frames_at(
    path: Path, times: Sequence[float], *, at_least: int, sha256: str
) -> list[DecodedImage] | None:
    """Return the frames a file shows at rising times; of a picture the same one for all.

    None where the file is gone, cannot be read, or is another one than ``sha256`` says.
    """
    try:
        with Media(os.fsencode(path), Limits(), Sampling()) as media:
            if media.sha256 != sha256:
                return None
            return media.shown(times, at_least)
    except MediaError:
        return None
