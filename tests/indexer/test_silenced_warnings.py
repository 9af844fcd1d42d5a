"""Warnings are ignored while any thread asks for it, and uttered again afterwards."""

from __future__ import annotations

import threading
import warnings

import pytest

from indexer.silenced_warnings import quiet


def test_warnings_are_ignored_within_and_uttered_after() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with quiet():
            warnings.warn("within", stacklevel=1)
        with pytest.raises(UserWarning, match="after"):
            warnings.warn("after", stacklevel=1)


def test_a_thread_that_outlives_other_filters_leaves_the_next_one_quiet() -> None:
    """As a map does that is still drawn when the test that asked for it has ended."""
    inside, leave = threading.Event(), threading.Event()

    def linger() -> None:
        with quiet():
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=linger)
    with warnings.catch_warnings():
        thread.start()
        assert inside.wait(30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with quiet():
            warnings.warn("within", stacklevel=1)
            leave.set()
            thread.join()
            warnings.warn("still within", stacklevel=1)
