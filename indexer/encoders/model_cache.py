"""Where fetched encoders lie on this machine, and what was noted when they came."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from indexer import untrusted_json
from indexer.encoders.published import EncoderEntry
from indexer.encoders.weights import WEIGHTS_FILE
from indexer.store.durable import replace_file

ENVIRONMENT = "DFINDEX_MODELS"
MANIFEST = "fetched.json"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Which revision was fetched from where, with the size and SHA-256 its weights had."""

    source: str
    revision: str | None
    weights_sha256: str
    weights_bytes: int


def models_home() -> Path:
    """Return the folder of fetched encoders: $DFINDEX_MODELS, else below the user's cache."""
    given = os.environ.get(ENVIRONMENT)
    if given:
        return Path(given)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "dfindex" / "models"


def cache_folder(name: str) -> Path:
    """Return the folder an encoder of this name is fetched into."""
    return models_home() / re.sub(r"[^A-Za-z0-9._-]+", "--", name)


def on_disk(entry: EncoderEntry) -> Path | None:
    """Return the folder of a fetched encoder, or where huggingface_hub keeps its revision."""
    folder = cache_folder(entry.name)
    if (folder / MANIFEST).is_file() and (folder / WEIGHTS_FILE).is_file():
        return folder
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(entry.source, WEIGHTS_FILE, revision=entry.revision)
    return Path(found).parent if isinstance(found, str) else None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write down what was fetched; a folder without a manifest is an unfinished one."""
    told = json.dumps(asdict(manifest), indent=1).encode()
    replace_file(folder / MANIFEST, lambda file: file.write(told))


def read_manifest(folder: Path) -> Manifest | None:
    """Return what was noted, or None."""
    try:
        return Manifest(**untrusted_json.read(folder / MANIFEST))
    except (OSError, ValueError, TypeError):
        return None
