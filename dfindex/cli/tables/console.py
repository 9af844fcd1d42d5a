"""The console that tables are shown on: names cannot steer it, whatever characters they hold."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment


class Screen(Console):
    """A console on which control characters, and others that no one sees, stand as escapes.

    Text is shown as it is: what looks like markup or an emoji's name is part of a name.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Yield the segments of what is shown."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(visible(text), style)


def visible(text: str) -> str:
    """Return a text with escapes for characters that would steer a console or cannot be seen."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\n" else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def shown_on(*, stderr: bool = False) -> Screen:
    """Return what tables are printed on."""
    return Screen(stderr=stderr)
