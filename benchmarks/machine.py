"""What a measurement was made on and with, to be kept beside its figures."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version


@dataclass(frozen=True)
class Machine:
    """The computer and the software of a measurement."""

    system: str
    architecture: str
    cpus: int
    python: str
    versions: dict[str, str]

    @classmethod
    def here(cls, packages: Sequence[str]) -> Machine:
        """Describe this computer and the installed versions of these packages."""
        return cls(
            system=platform.system(),
            architecture=platform.machine(),
            cpus=os.cpu_count() or 0,
            python=platform.python_version(),
            versions={package: version(package) for package in packages},
        )
