"""How the service is run: where it listens, who may use it, and what one request may cost."""

from __future__ import annotations

import ipaddress
import re
import resource
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from indexer.errors import UsageError
from indexer.media.files import Limits

SHORTEST_TOKEN = 16
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")


class Role(StrEnum):
    """What a client may do: a viewer looks, an editor also labels and decides."""

    VIEWER = "viewer"
    EDITOR = "editor"


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What one request, and all of them together, may cost."""

    connections: int = 480
    head_seconds: float = 10.0
    upload_bytes: int = 64 << 20
    upload_seconds: float = 60.0
    pixels: int = 100_000_000
    decode_seconds: float = 20.0
    seconds: float = 60.0
    waiting: int = 64
    workers: int = 4
    decoders: int = 2
    uploads_a_minute: int = 600
    wrong_tokens_a_minute: int = 10
    guess_seconds: float = 1.0
    lock_seconds: float = 10.0
    kept_uploads: int = 64
    kept_upload_bytes: int = 512 << 20

    @property
    def open_connections(self) -> int:
        """How many are kept open: each takes a descriptor of this process, and so do files."""
        return min(self.connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)

    @property
    def limits(self) -> Limits:
        """What reading one upload may cost, a picture or a clip."""
        return Limits(
            pixels=self.pixels,
            bytes=self.upload_bytes,
            seconds=self.decode_seconds,
            video_bytes=self.upload_bytes,
            video_seconds=self.seconds,
        )


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Everything a service is started with.

    ``tokens`` maps each token to its role; without any, every client has ``open_role``.
    ``root_path`` is where a proxy shows the service, such as ``/dfindex``. Raise UsageError where
    another than a loopback address would be served without a token.
    """

    index: Path
    host: str = "127.0.0.1"
    port: int = 8000
    tokens: dict[str, Role] = field(default_factory=dict, repr=False)
    no_auth: bool = False
    open_role: Role = Role.EDITOR
    names: tuple[str, ...] = ()
    encoder: str | None = None
    device: str = "auto"
    precision: str = "auto"
    space: str | None = None
    root_path: str = ""
    allowance: Allowance = field(default_factory=Allowance)

    def __post_init__(self) -> None:
        if not (self.tokens or self.no_auth or is_loopback(self.host)):
            raise UsageError(
                f"expected a token, since {self.host} can be reached from other machines, "
                "got none; give --token, or --no-auth to serve everyone who can connect"
            )
        if not _ROOT_PATH.fullmatch(self.root_path):
            raise UsageError(
                "expected --root-path to be a path as in an address, without a slash at its end, "
                f"such as /dfindex, got {self.root_path!r}"
            )
        if any(len(token) < SHORTEST_TOKEN or not token.isascii() for token in self.tokens):
            raise UsageError(
                f"expected tokens of at least {SHORTEST_TOKEN} ASCII characters, got a shorter "
                "one; make one with: python3 -c 'import secrets; print(secrets.token_urlsafe())'"
            )


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
