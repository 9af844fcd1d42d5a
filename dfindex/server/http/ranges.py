"""A file as an answer, whole or a part of its bytes, read from the descriptor that was checked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dfindex.server.http.errors import Problem
from indexer.originals import CheckedFile

_AT_ONCE = 1 << 18  # bytes
_ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class FileAnswer(Response):
    """Sends a file that was checked, and closes it; ``etag`` names its content.

    Nothing is sent that was written after the check: the answer is cut off. Of several ranges at
    once the whole is sent instead, as a service may.
    """

    def __init__(
        self,
        checked: CheckedFile,
        *,
        etag: str,
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        self._checked = checked
        self._etag = f'"{etag}"'
        self._size = os.fstat(checked.file.fileno()).st_size
        own = {"Accept-Ranges": "bytes", "ETag": self._etag}
        super().__init__(None, headers={**headers, **own}, media_type=media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        with self._checked.file:
            try:
                part = self._wanted(Headers(scope=scope))
            except Problem as problem:
                await problem.response()(scope, receive, send)
                return
            await send(self._start(part))
            begin, end = part or (0, self._size)
            while begin < end:
                data = await to_thread.run_sync(self._read, begin, min(_AT_ONCE, end - begin))
                begin += len(data)
                await send({"type": "http.response.body", "body": data, "more_body": begin < end})

    def _wanted(self, asked: Headers) -> tuple[int, int] | None:
        """Return the first byte of a part and the one after its last, None for all; raise a 416."""
        condition = asked.get("if-range", self._etag)
        found = _ONE_RANGE.fullmatch(asked.get("range", "").replace(" ", ""))
        if found is None or condition != self._etag or found[0] == "bytes=-":
            return None
        first, last = found.groups()
        begin = int(first) if first else max(0, self._size - int(last))
        end = min(self._size, int(last) + 1) if first and last else self._size
        if begin >= end:
            raise Problem(
                416,
                f"expected a range within {self._size} bytes, got {asked['range']}",
                "ask for bytes that the file has",
                "range",
                {"Content-Range": f"bytes */{self._size}"},
            )
        return begin, end

    def _start(self, part: tuple[int, int] | None) -> dict[str, object]:
        headers = self.headers.mutablecopy()
        headers["content-length"] = str(self._size)
        if part is not None:
            begin, end = part
            headers["content-length"] = str(end - begin)
            headers["content-range"] = f"bytes {begin}-{end - 1}/{self._size}"
        status = 200 if part is None else 206
        return {"type": "http.response.start", "status": status, "headers": headers.raw}

    def _read(self, begin: int, count: int) -> bytes:
        part = os.pread(self._checked.file.fileno(), count, begin)
        if not part or not self._checked.unchanged:
            raise OSError("the file changed while it was sent")
        return part
