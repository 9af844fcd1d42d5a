"""Do something in a process of its own, which may end however it likes."""

from __future__ import annotations

import json
import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from indexer.errors import DfindexError


@dataclass(frozen=True)
class Outcome:
    """How it ended: ``value`` where it came to its end, else what stopped it.

    ``kind`` is done, refused (an error that dfindex means, or the system's), broken (any other),
    killed (by signal 9), crashed (by another) or hung.
    """

    kind: str
    value: Any = None
    message: str = ""


def forked(work: Callable[[], Any], *, seconds: float = 120) -> Outcome:
    """Do ``work``, whose result is plain JSON, in a copy of this process."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        os.write(writing, json.dumps(_told(work)).encode())
        os._exit(0)
    os.close(writing)
    data, late = _read(reading, time.monotonic() + seconds)
    if late:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if late:
        return Outcome("hung")
    if code == -signal.SIGKILL:
        return Outcome("killed")
    if code:
        return Outcome("crashed", message=f"ended with {code}")
    return Outcome(*json.loads(data))


def _told(work: Callable[[], Any]) -> tuple[str, Any, str]:
    try:
        return ("done", work(), "")
    except (DfindexError, OSError) as error:
        return ("refused", None, f"{type(error).__name__}: {error}")
    except BaseException:
        return ("broken", None, traceback.format_exc()[-1500:])


def _read(descriptor: int, until: float) -> tuple[bytes, bool]:
    data = b""
    try:
        while (left := until - time.monotonic()) > 0:
            if select.select([descriptor], [], [], left)[0]:
                part = os.read(descriptor, 1 << 16)
                if not part:
                    return data, False
                data += part
        return data, True
    finally:
        os.close(descriptor)
