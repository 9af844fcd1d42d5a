"""Libraries that read what Pillow does not, each imported when such a file is met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True)
class Plugin:
    """A library, by the name of its module; ``missing`` is what a file says that needs it.

    ``before`` are the words of older versions, which knew of no library for such files.
    """

    module: str
    missing: str
    before: Sequence[str] = ()

    @property
    def is_present(self) -> bool:
        """Whether the library is installed."""
        return find_spec(self.module) is not None


def _needs(what: str, module: str, way: str) -> str:
    return f"{what} need the library {module}, which is not installed: pip install {way}"


_NOT_READ = "pictures of this format ({}) are not read; convert it to PNG"

HEIF = Plugin(
    "pi_heif",
    _needs("HEIC pictures", "pi_heif", "pi-heif"),
    ("HEIC needs a plug-in: pip install 'dfindex[heic]'",),
)
JPEG_XL = Plugin(
    "imagecodecs",
    _needs("JPEG XL pictures", "imagecodecs", "imagecodecs"),
    (_NOT_READ.format("JPEG XL"),),
)
RAW = Plugin(
    "rawpy",
    _needs("camera raw files", "rawpy", "'dfindex[raw]'"),
    ("camera raw files are not developed; export them as TIFF, PNG or JPEG",),
)
PLUGINS = (HEIF, JPEG_XL, RAW)


def read_now() -> list[str]:
    """Return the messages of failures whose files can be read with what is installed now."""
    messages = [_NOT_READ.format(name) for name in ("JPEG 2000", "Photoshop (PSD)")]
    for plugin in PLUGINS:
        if plugin.is_present:
            messages += [plugin.missing, *plugin.before]
    return messages
