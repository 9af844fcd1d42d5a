"""Where jobs wait: a queue for each kind, so that those that take long keep up no others."""

from __future__ import annotations

from enum import StrEnum

from dfindex.server.jobs.batching import Workbench
from dfindex.server.settings import Allowance


class Queue(StrEnum):
    """A kind of work: questions to the catalog alone, single files of the corpus, and so on.

    What opens files is apart from what does not: a file system may not answer.
    """

    LOOKS = "looks"
    PICTURES = "pictures"
    WORK = "work"
    FILMS = "films"
    WRITES = "writes"
    TRAINING = "training"


def benches(allowance: Allowance) -> dict[Queue, Workbench]:
    """Make the threads of each queue."""
    many, few = 16 * allowance.waiting, allowance.waiting // 2
    workers = allowance.workers
    sizes = {
        Queue.LOOKS: (workers, many),
        Queue.PICTURES: (workers, many),  # thumbnails come in flocks
        Queue.WORK: (workers, allowance.waiting),
        Queue.FILMS: (allowance.decoders, few),
        Queue.WRITES: (1, few),
        Queue.TRAINING: (1, few),
    }
    late = {Queue.TRAINING: "it goes on: look again in a while"}
    return {
        queue: Workbench(
            queue, workers=count, waiting=waiting, seconds=allowance.seconds, hint=late.get(queue)
        )
        for queue, (count, waiting) in sizes.items()
    }
