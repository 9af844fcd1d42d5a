"""Camera raw files, developed by LibRaw with the white balance of the camera."""

from __future__ import annotations

import io

import rawpy
from PIL import Image

from indexer.media.readers.lazy import LazyImage


class RawImage(LazyImage):
    """A developed raw file, upright."""

    format = "RAW"

    def _open(self) -> None:
        try:
            with rawpy.imread(io.BytesIO(self.data)) as raw:
                width, height = raw.sizes.width, raw.sizes.height
                turned = raw.sizes.flip in (5, 6)
        except rawpy.LibRawError as error:
            raise SyntaxError(f"this camera raw file cannot be developed: {error}") from error
        self._size, self._mode = (height, width) if turned else (width, height), "RGB"

    def _decode(self) -> Image.Image:
        with rawpy.imread(io.BytesIO(self.data)) as raw:
            return Image.fromarray(raw.postprocess(use_camera_wb=True))
