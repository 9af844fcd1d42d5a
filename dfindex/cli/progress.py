"""A build's progress bar, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as RichTask
from rich.text import Text

from dfindex.cli.tables.console import shown_on


class _Rate(TextColumn):
    """Files a second."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: RichTask) -> Text:
        """Return the speed of a task."""
        return Text(f"{task.speed:.1f} files/s" if task.speed else "")


class Bar:
    """A `indexer.build.Progress` shown by rich."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("looking", total=None)

    def scanned(self, files: int) -> None:
        """Show how many files were found."""
        self._progress.update(self._task, completed=files)

    def started(self, pending: int) -> None:
        """Show that ``pending`` files are being read."""
        self._progress.reset(self._task, total=pending, description="indexing")

    def advanced(self, files: int) -> None:
        """Show that ``files`` more are done."""
        self._progress.advance(self._task, files)


@contextmanager
def shown_progress(shown: bool) -> Iterator[Bar | None]:
    """Show a bar while the block runs, where ``shown``."""
    if not shown:
        yield None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=shown_on(stderr=True), speed_estimate_period=10) as progress:
        yield Bar(progress)


@contextmanager
def shown_steps(shown: bool) -> Iterator[Callable[[str, float], object] | None]:
    """Show a bar for each step of which a share is done while the block runs, where ``shown``."""
    if not shown:
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=shown_on(stderr=True)) as progress:
        tasks: dict[str, TaskID] = {}

        def tell(step: str, share: float) -> None:
            if step not in tasks:
                tasks[step] = progress.add_task(step, total=1.0)
            progress.update(tasks[step], completed=share)

        yield tell
