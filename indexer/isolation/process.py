"""The parent's side of one decoding process: start it, ask it, end it, start it again."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from PIL import Image

from indexer.corpus import FoundFile
from indexer.errors import DfindexError, MediaError
from indexer.isolation.answers import MOST_BYTES, Answer, Opened, ReadProblem, Result, Seen, unpack
from indexer.isolation.worker import Job, LookJob, Task
from indexer.media.files import Limits
from indexer.media.image import DecodedImage
from indexer.media.videos.frames import Sampling
from indexer.types import Preset, Reason, Span, UInt8

LARGE_PIXELS = 40_000_000  # only one picture larger than this is decoded at a time
_START_SECONDS = 60.0

# The child imports the same package as we do, wherever it was started from, and everything else
# from where an interpreter finds it: the folder is on its path for that one import.
_HOME = Path(__file__).resolve().parents[2]
_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv[1]); import indexer; sys.path.pop(0); "
    "from indexer.isolation.worker import main; main(int(sys.argv[2]))"
)
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Prepared:
    """A file, read and shaped: ``pixels`` (size, size, 3) uint8 RGB, and a row of `Keypoints`.

    Without ``pixels`` there is either a ``problem``, or the content was known already. Of a video
    there is one for each frame, with its ``span``, of a file of several pictures one for each
    ``page``; all but the ``last`` are followed by another, or by a problem.
    """

    file: FoundFile
    sha256: str | None = None
    pixels: UInt8 | None = None
    width: int = 0
    height: int = 0
    format: str = ""
    problem: MediaError | None = None
    keypoints: UInt8 | None = None
    structure: float | None = None
    span: Span | None = None
    page: int | None = None
    last: bool = True

    @property
    def is_part(self) -> bool:
        """Whether it is a frame or a page, and others may be of the same file."""
        return self.span is not None or self.page is not None


class DecodeProcess:
    """One process, started when it is first needed and again whenever it has died.

    It serves one thread at a time; `halt` may be called from any other.
    """

    def __init__(
        self,
        preset: Preset,
        limits: Limits,
        large: threading.Lock,
        sampling: Sampling | None = None,
        *,
        keypoints: bool = True,
    ) -> None:
        self._job = Job(preset, limits, sampling, keypoints)
        self._limits = limits
        self._large = large
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._halted = False

    @property
    def pid(self) -> int | None:
        """The number of the process, None while there is none."""
        process = self._process
        return None if process is None else process.pid

    def prepare(self, file: FoundFile, known: Callable[[str], bool]) -> Prepared:
        """Have one file prepared; whatever happens to the process becomes the file's problem.

        Of a video the last frame is returned.
        """
        return deque(self.read(file, known), maxlen=1)[0]

    def read(self, file: FoundFile, known: Callable[[str], bool]) -> Iterator[Prepared]:
        """Yield what `prepare` returns, and every frame of a video."""
        try:
            yield from self._ask(file, known)
        except BaseException:
            self.stop()  # it waits for the rest of an exchange that will not come
            raise

    def shown(
        self, raw: bytes, times: Sequence[float], *, at_least: int, sha256: str | None = None
    ) -> list[DecodedImage]:
        """Return what a file, by the bytes of its path, shows at rising times; raise MediaError.

        Of a picture that is the same for all. With ``sha256``, other bytes are an error as well.
        """
        try:
            return self._looked_at(Task(raw, LookJob((*times,), at_least)), sha256)
        except TimeoutError:
            raise self._late() from None
        except (EOFError, OSError):
            raise self._dead() from None
        except ValueError as error:
            raise self._senseless(error) from error
        except MediaError:
            raise  # the worker said so, and is ready for the next
        except BaseException:
            self.stop()
            raise

    def halt(self) -> None:
        """End the process at once, whoever waits for it; one that is about to start, too."""
        with self._guard:
            self._halted = True
            if self._process is not None:
                self._process.kill()

    def stop(self) -> None:
        """End the process, if there is one, and forget it."""
        with self._guard:
            process, connection = self._process, self._connection
            self._process, self._connection = None, None
            self._halted = False
        if connection is not None:
            connection.close()
        if process is not None:
            process.kill()
            process.wait()

    def _ask(self, file: FoundFile, known: Callable[[str], bool]) -> Iterator[Prepared]:
        sha256: str | None = None
        try:
            connection = self._started()
            connection.send(Task(file.raw))
            answer = self._answer(connection, self._limits.seconds)
            if isinstance(answer, Opened):
                sha256 = answer.sha256
                if known(sha256):
                    connection.send(False)
                    yield Prepared(file, sha256)
                    return
                answer = self._go_on(connection, answer)
            while isinstance(answer, Result):
                yield self._prepared(connection, file, sha256, answer)
                if answer.last:
                    return
                answer = self._answer(connection, self._limits.seconds)
        except TimeoutError:
            yield Prepared(file, sha256, problem=self._late())
            return
        except (EOFError, OSError):
            yield Prepared(file, sha256, problem=self._dead())
            return
        except ValueError as error:
            yield Prepared(file, sha256, problem=self._senseless(error))
            return
        yield Prepared(file, sha256, problem=self._problem(answer))

    def _looked_at(self, task: Task, sha256: str | None) -> list[DecodedImage]:
        assert task.look is not None
        connection = self._started()
        connection.send(task)
        answer = self._answer(connection, self._limits.seconds)
        if not isinstance(answer, Opened):
            raise _said(answer)
        unchanged = sha256 in (None, answer.sha256)
        if not unchanged:
            connection.send(False)
            raise MediaError(Reason.UNREADABLE, "the file has changed while it was read")
        found = []
        answer = self._go_on(connection, answer)
        for place in range(len(task.look.times)):
            if place:
                answer = self._answer(connection, self._limits.seconds)
            if not isinstance(answer, Seen):
                raise _said(answer)
            if math.prod(answer.size) > self._limits.pixels:
                raise ValueError(f"{answer.size} pixels of {self._limits.pixels} at most")
            found.append(_decoded(connection, answer))
        return found

    def _late(self) -> MediaError:
        self.stop()
        message = f"not read and decoded within {self._limits.seconds:g} seconds"
        return MediaError(Reason.TIMEOUT, message)

    def _dead(self) -> MediaError:
        message = f"the decoder did not survive this file ({self._ending()})"
        return MediaError(Reason.INTERNAL, message)

    def _problem(self, answer: Answer) -> MediaError:
        try:
            return _said(answer)
        except ValueError as error:
            return self._senseless(error)

    def _senseless(self, error: ValueError) -> MediaError:
        self.stop()
        message = f"the decoder's answer makes no sense after this file ({error})"
        return MediaError(Reason.INTERNAL, message)

    def _go_on(self, connection: Connection, opened: Opened) -> Answer:
        alone = self._large if opened.pixels > LARGE_PIXELS else contextlib.nullcontext()
        with alone:
            connection.send(True)
            return self._answer(connection, self._limits.seconds)

    def _answer(self, connection: Connection, seconds: float) -> Answer:
        if not connection.poll(seconds):
            raise TimeoutError
        return unpack(connection.recv_bytes(MOST_BYTES))

    def _prepared(
        self, connection: Connection, file: FoundFile, sha256: str | None, result: Result
    ) -> Prepared:
        size = self._job.preset.size
        pixels = np.empty((size, size, 3), dtype=np.uint8)
        _read_into(connection.fileno(), pixels.data.cast("B"))
        return Prepared(
            file,
            sha256,
            pixels,
            result.width,
            result.height,
            result.format,
            keypoints=result.keypoints,
            structure=result.structure,
            span=result.span,
            page=result.page,
            last=result.last,
        )

    def _ending(self) -> str:
        """End the process, if it has not ended, and say how it did."""
        process = self._process
        code = None
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(timeout=1.0)
        self.stop()
        if code is None:
            return "it hung up"
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def _started(self) -> Connection:
        if self._connection is not None:
            return self._connection
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _patience(self._limits.seconds))
        with theirs, self._guard:
            if self._halted:
                ours.close()
                raise EOFError
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOTSTRAP, str(_HOME), str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C is for the parent, which decides when to stop
                env={**os.environ, **_ONE_THREAD},
            )
            self._connection = Connection(ours.detach())
        try:
            self._connection.send(self._job)
            self._answer(self._connection, _START_SECONDS)
        except (EOFError, OSError, ValueError) as error:
            raise DfindexError(
                f"the decoding process does not start ({self._ending()}); "
                "run dfindex from an intact installation"
            ) from error
        return self._connection


def _patience(seconds: float) -> bytes:
    """Return a struct timeval: how long the rest of an answer may take that has begun."""
    whole = int(seconds)
    return struct.pack("ll", whole, int((seconds - whole) * 1_000_000) or 1)


def _read_into(descriptor: int, space: memoryview) -> None:
    while space:
        count = os.readv(descriptor, [space])
        if not count:
            raise EOFError
        space = space[count:]


def _decoded(connection: Connection, seen: Seen) -> DecodedImage:
    width, height = seen.size
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    _read_into(connection.fileno(), pixels.data.cast("B"))
    return DecodedImage(Image.fromarray(pixels), seen.width, seen.height, seen.format)


def _said(answer: Answer) -> MediaError:
    if not isinstance(answer, ReadProblem):
        raise ValueError(f"{type(answer).__name__} out of turn")
    return MediaError(answer.reason, answer.message)
