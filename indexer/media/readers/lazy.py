"""A Pillow picture whose pixels another library decodes, once they are asked for."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import Any

from PIL import Image, ImageFile


class LazyImage(ImageFile.ImageFile):
    """Opened like any other; ``_open`` sets the size and mode, ``_decode`` makes the picture."""

    def __init__(self, data: bytes, **options: Any) -> None:
        self.data = data
        self.options = options
        super().__init__(io.BytesIO(data))

    def load(self) -> Any:
        """See `Image.Image.load`."""
        if self._im is None:
            image = self._decode()
            self._im, self._mode, self._size = image.im, image.mode, image.size
        return super().load()

    @abstractmethod
    def _decode(self) -> Image.Image:
        """Decode the pixels."""
