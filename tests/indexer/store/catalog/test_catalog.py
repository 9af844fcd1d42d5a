from __future__ import annotations

import threading
from pathlib import Path

from indexer.store.writer import IndexWriter


def test_statements_wait_while_another_thread_publishes(tmp_path: Path) -> None:
    """DuckDB refuses a statement on a connection that is busy, instead of waiting."""
    with IndexWriter(tmp_path / "index") as writer:
        stopped = threading.Event()
        problems: list[BaseException] = []

        def ask() -> None:
            try:
                while not stopped.is_set():
                    writer.catalog.query("SELECT count(*) FROM range(200000)")
            except BaseException as error:  # raised again below
                problems.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        for _ in range(20):
            writer.publish()
        stopped.set()
        asking.join()
    assert problems == []
