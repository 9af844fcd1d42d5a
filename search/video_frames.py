"""The pictures a file shows at some times, for those who look at pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from indexer.decode import DecodedImage, Limits, decode_image, open_file, read_file
from indexer.errors import MediaError
from indexer.sniff import SNIFFED
from indexer.video import is_film, open_video


def frames_at(
    path: Path, times: Sequence[float], *, at_least: int, sha256: str | None = None
) -> list[DecodedImage] | None:
    """Return the frames a file shows at rising times; of a picture the same one for all.

    None where the file is gone, cannot be read, or is another one than ``sha256`` says.
    """
    try:
        with open_file(path) as file:
            film = is_film(file.read(SNIFFED))
            file.seek(0)
            if sha256 is not None and hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                return None
        if not film:
            data = read_file(path, limits=Limits())
            return [decode_image(data, at_least=at_least)] * len(times)
        with open_video(path) as video:
            size = (video.width, video.height)
            shown = video.at(times, at_least)
            return [DecodedImage(one.image, *size, video.format) for one in shown]
    except (MediaError, OSError):
        return None
