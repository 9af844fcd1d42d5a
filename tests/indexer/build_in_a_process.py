"""Build an index with the tests' encoder, as a process of its own that can be killed.

Arguments: index, corpus, seconds each batch of pictures takes.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import indexer.build
import indexer.store.writer
from indexer.build import BuildOptions, build
from indexer.store.writer import IndexWriter
from indexer.types import Features, UInt8
from tests.fake_encoder import MeanColour


class Slow(MeanColour):
    """Takes its time, so that a kill finds the build at work."""

    def encode(self, images: UInt8) -> Features:
        """Encode after a pause."""
        time.sleep(float(sys.argv[3]))
        return super().encode(images)


if __name__ == "__main__":
    # Many commits and publications, so that kills fall into some of them.
    indexer.build.COMMIT_SECONDS = 0.15
    indexer.store.writer._PUBLISH_EVERY_S = 0.1
    indexer.store.writer._PUBLISH_SHARE = 1
    indexer.build.CODEC_SAMPLES = 16
    options = BuildOptions(workers=1, batch_size=8, loaded_from="mean-colour")
    with IndexWriter(Path(sys.argv[1])) as writer:
        build(writer, Slow(), [Path(sys.argv[2])], options)
