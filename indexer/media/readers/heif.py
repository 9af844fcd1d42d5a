"""HEIC: the pictures of a phone, through libheif."""

from __future__ import annotations

import io
from typing import Any

import pi_heif

_UNSPECIFIED = 2


class HeifImage(pi_heif.HeifImageFile):  # type: ignore[misc]  # it has no annotations
    """A HEIF picture whose ``info`` says ``cicp`` where it has no profile but names its colours."""

    def seek(self, frame: int) -> None:
        """See `Image.Image.seek`."""
        super().seek(frame)
        self._tell_colours()

    def _open(self) -> None:
        super()._open()
        self._tell_colours()

    def _tell_colours(self) -> None:
        colours: dict[str, Any] | None = self.info.get("nclx_profile")
        if colours is None or "icc_profile" in self.info:
            return
        primaries = int(colours["color_primaries"])
        transfer = int(colours["transfer_characteristics"])
        if _UNSPECIFIED not in (primaries, transfer):
            self.info["cicp"] = (primaries, transfer, 0, 1)  # the decoder widened the range


def open_heif(data: bytes) -> HeifImage:
    """Open a HEIF file; ``seek`` finds its other pictures."""
    return HeifImage(io.BytesIO(data))
