"""Uploads: read up to a limit, kept for a while in a folder of their own, never in the corpus."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from dfindex.server.errors import Problem
from dfindex.server.settings import Allowance
from indexer.closing import Closing

_LONGEST_NAME = 200
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_MOST_FIELDS = 24


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file that was sent: ``name`` is what its sender calls it, ``path`` where it is kept.

    ``middle_s`` is the time of the frame in its middle where it is read as a video.
    """

    token: str
    name: str
    sha256: str
    path: Path
    bytes: int
    middle_s: float | None = None

    @property
    def clip(self) -> bool:
        """Whether it is read as a video."""
        return self.middle_s is not None


class UploadStore(Closing):
    """Keeps the newest uploads, so that a search can be repeated and its hits be compared."""

    def __init__(self, allowance: Allowance) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="dfindex-uploads-"))
        self._allowance = allowance
        self._guard = threading.Lock()
        self._kept: OrderedDict[str, Upload] = OrderedDict()

    def keep(self, name: str | None, data: bytes) -> Upload:
        """Keep the bytes of an upload under a name of our own; forget the oldest beyond limits."""
        token = secrets.token_urlsafe(16)
        path = self._folder / token
        path.write_bytes(data)
        upload = Upload(
            token=token,
            name=shown_name(name),
            sha256=hashlib.sha256(data).hexdigest(),
            path=path,
            bytes=len(data),
        )
        with self._guard:
            self._kept[token] = upload
            self._forget()
        return upload

    def know(self, upload: Upload) -> None:
        """Remember what was found out about an upload."""
        with self._guard:
            if upload.token in self._kept:
                self._kept[upload.token] = upload

    def find(self, token: str) -> Upload:
        """Return an upload by its token; a 404 where it is not kept any more."""
        with self._guard:
            upload = self._kept.get(token)
            if upload is None:
                raise Problem(404, "this upload is not kept any more", "choose the picture again")
            self._kept.move_to_end(token)
            return upload

    def drop(self, upload: Upload) -> None:
        """Forget an upload."""
        with self._guard:
            self._kept.pop(upload.token, None)
        upload.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Delete all uploads."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _forget(self) -> None:
        limits = self._allowance
        while len(self._kept) > limits.kept_uploads or (
            len(self._kept) > 1
            and sum(one.bytes for one in self._kept.values()) > limits.kept_upload_bytes
        ):
            _, oldest = self._kept.popitem(last=False)
            oldest.path.unlink(missing_ok=True)


def shown_name(name: str | None) -> str:
    """Return the last part of a client's file name, fit to be shown; it names no file of ours."""
    last = _UNFIT.sub("", (name or "").replace("\\", "/")).rsplit("/", 1)[-1].strip()
    return last[:_LONGEST_NAME] or "upload"


async def read_form(request: Request, allowance: Allowance) -> FormData:
    """Read a multipart form within the limits on bytes and time."""
    if _media_type(request) != "multipart/form-data":
        raise Problem(
            415,
            f"expected multipart/form-data, got {_media_type(request) or 'no Content-Type'}",
            "send the picture as the form's part named file",
        )
    parser = MultiPartParser(
        request.headers,
        _limited(request, allowance),
        max_files=2,
        max_fields=_MOST_FIELDS,
        max_part_size=64 << 10,
    )
    try:
        return await parser.parse()
    except (MultiPartException, FormParserError, KeyError, ValueError) as error:
        words = getattr(error, "message", "") or "its parts cannot be told apart"
        raise Problem(
            400, f"the form cannot be read: {words}", "send multipart/form-data"
        ) from error
    except ClientDisconnect as error:
        raise Problem(400, "the upload was cut off", "send it again") from error


async def read_body(request: Request, allowance: Allowance, most: int = 64 << 10) -> bytes:
    """Read a small body, such as JSON, within the limits."""
    parts = []
    try:
        async for part in _limited(request, allowance, most):
            parts.append(part)
    except ClientDisconnect as error:
        raise Problem(400, "the request was cut off", "send it again") from error
    return b"".join(parts)


async def file_of(form: FormData, name: str, allowance: Allowance) -> tuple[str, bytes]:
    """Return the name and bytes of a form's file."""
    part = form.get(name)
    if not isinstance(part, UploadFile):
        raise Problem(400, f"expected a file as the form's part named {name}, got none", "add it")
    data = await part.read()
    await part.close()
    if len(data) > allowance.upload_bytes:
        raise _too_large(allowance.upload_bytes)
    return part.filename or "", data


async def _limited(
    request: Request, allowance: Allowance, most: int | None = None
) -> AsyncGenerator[bytes, None]:
    # A form's file is a little smaller than the form.
    limit = most or allowance.upload_bytes + (1 << 20)
    claimed = request.headers.get("content-length", "")
    if claimed.isdigit() and int(claimed) > limit:
        raise _too_large(limit)
    until, read = time.monotonic() + allowance.upload_seconds, 0
    stream = request.stream()
    while True:
        try:
            part = await asyncio.wait_for(anext(stream), max(0.0, until - time.monotonic()))
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            words = f"the upload took longer than {allowance.upload_seconds:.0f} s"
            raise Problem(408, words, "send it again over a faster line") from error
        read += len(part)
        if read > limit:
            raise _too_large(limit)
        yield part


def _too_large(limit: int) -> Problem:
    return Problem(
        413,
        f"expected at most {limit >> 10} KiB, got more",
        "send a smaller file, or start the service with a larger --max-upload",
    )


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
