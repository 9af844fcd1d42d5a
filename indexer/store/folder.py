"""Where things lie in an index folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# What a folder may hold in which an index is to be made: traces of one, and a new disk's own.
_OURS = ("LOCK", "READERS", "lost+found", "probes", "published", "quarantine")


@dataclass(frozen=True)
class SpaceFolder:
    """The folder of one space."""

    path: Path

    @property
    def spec(self) -> Path:
        """The encoder's description, sealed."""
        return self.path / "spec.json"

    @property
    def codec(self) -> Path:
        """The parameters of the patch compression."""
        return self.path / "patch_codec.npz"

    @property
    def segments(self) -> Path:
        """The folder of the segment files."""
        return self.path / "segments"

    @property
    def ann(self) -> Path:
        """The folder of the nearest-neighbour caches."""
        return self.path / "ann"

    @property
    def keypoints(self) -> Path:
        """The folder of the keypoint lists, a cache."""
        return self.path / "keypoints"

    @property
    def map(self) -> Path:
        """The map that was drawn last."""
        return self.path / "map.npz"


@dataclass(frozen=True)
class IndexFolder:
    """An index folder."""

    path: Path

    @property
    def catalog(self) -> Path:
        """The writer's catalog."""
        return self.path / "catalog.duckdb"

    @property
    def published(self) -> Path:
        """The snapshot that readers open."""
        return self.path / "published" / "catalog.duckdb"

    @property
    def ledger(self) -> Path:
        """What of the segments was alive when the snapshot was made."""
        return self.path / "published" / "ledger.json"

    @property
    def readers(self) -> Path:
        """The file in which readers lock the generation they read."""
        return self.path / "READERS"

    @property
    def probes(self) -> Path:
        """The folder of the probes."""
        return self.path / "probes"

    @property
    def spaces(self) -> Path:
        """The folder of all spaces."""
        return self.path / "spaces"

    @property
    def quarantine(self) -> Path:
        """Where files go that the catalog does not know."""
        return self.path / "quarantine"

    def space(self, fingerprint: str) -> SpaceFolder:
        """Return the folder of one space."""
        return SpaceFolder(self.spaces / fingerprint)

    def foreign_entry(self) -> str | None:
        """Return the name of what lies here although no index does, None where there is room."""
        if self.exists() or not self.path.is_dir():
            return None
        names = sorted(one.name for one in self.path.iterdir())
        return next((one for one in names if one not in _OURS and one[0] != "."), None)

    def exists(self) -> bool:
        """Tell whether this is, or was, an index."""
        return self.catalog.exists() or self.published.exists() or self.spaces.is_dir()

    def forget_catalog(self) -> None:
        """Delete the catalog and its snapshot, which hold nothing yet."""
        for file in (self.catalog, self.published):
            for suffix in ("", ".wal", ".tmp"):
                file.with_name(file.name + suffix).unlink(missing_ok=True)
