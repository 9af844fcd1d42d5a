"""Uploads: read up to a limit, kept for a while in a folder of their own, never in the corpus."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from dfindex.server.http.errors import Problem
from dfindex.server.http.intake import media_type, too_large
from dfindex.server.settings import Allowance
from indexer.closing import Closing
from indexer.media.formats import SNIFFED, named_kind

_LONGEST_NAME = 200
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_MOST_FIELDS = 24
_MOVING = (b"acTL", b"ANIM", b"avis")  # in animations of PNG, WebP and AVIF
_IN_MEMORY = 64 << 10  # bytes of a file that comes, until it is written to the disk


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file that was sent: ``name`` is what its sender calls it, ``path`` where it is kept.

    ``moves`` tells whether its first bytes look like those of a video; ``middle_s`` is the time of
    the frame in its middle where it is read as one.
    """

    token: str
    name: str
    sha256: str
    path: Path
    bytes: int
    moves: bool
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

    def keep(self, name: str | None, file: BinaryIO) -> Upload:
        """Keep the bytes of an upload under a name of our own; forget the oldest beyond limits."""
        token = secrets.token_urlsafe(16)
        path = self._folder / token
        with path.open("xb+") as kept:
            shutil.copyfileobj(file, kept)
            count = kept.tell()
            kept.seek(0)
            sha256 = hashlib.file_digest(kept, "sha256").hexdigest()
            moves = looks_moving(kept)
        upload = Upload(
            token=token, name=shown_name(name), sha256=sha256, path=path, bytes=count, moves=moves
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


def looks_moving(file: BinaryIO) -> bool:
    """Tell by its first bytes whether a file is to be read as a video, which may take long."""
    file.seek(0)
    head = file.read(SNIFFED)
    kind = named_kind(head)
    if kind is None:
        return False
    return bool(kind.container) or kind.format == "GIF" or any(mark in head for mark in _MOVING)


def shown_name(name: str | None) -> str:
    """Return the last part of a client's file name, fit to be shown; it names no file of ours."""
    last = _UNFIT.sub("", (name or "").replace("\\", "/")).rsplit("/", 1)[-1].strip()
    return last[:_LONGEST_NAME] or "upload"


async def read_form(request: Request) -> FormData:
    """Read a multipart form."""
    if media_type(request.headers) != "multipart/form-data":
        raise Problem(
            415,
            f"expected multipart/form-data, got {media_type(request.headers) or 'no Content-Type'}",
            "send the picture as the form's part named file",
        )
    parser = MultiPartParser(
        request.headers,
        request.stream(),
        max_files=2,
        max_fields=_MOST_FIELDS,
        max_part_size=64 << 10,
    )
    parser.spool_max_size = _IN_MEMORY
    try:
        return await parser.parse()
    except (MultiPartException, FormParserError, KeyError, ValueError) as error:
        words = getattr(error, "message", "") or "its parts cannot be told apart"
        raise Problem(
            400, f"the form cannot be read: {words}", "send multipart/form-data"
        ) from error
    except ClientDisconnect as error:
        raise Problem(400, "the upload was cut off", "send it again") from error


async def read_body(request: Request) -> bytes:
    """Read a small body, such as JSON."""
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise Problem(400, "the request was cut off", "send it again") from error


def file_of(form: FormData, name: str, allowance: Allowance) -> UploadFile:
    """Return a form's file."""
    part = form.get(name)
    if not isinstance(part, UploadFile):
        raise Problem(400, f"expected a file as the form's part named {name}, got none", "add it")
    if (part.size or 0) > allowance.upload_bytes:
        raise too_large(allowance.upload_bytes)
    return part
