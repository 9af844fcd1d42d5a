"""Pages of text in fixed layouts, each with other words: what looks alike and is no copy.

Whatever belongs to the layout (letterhead, labels of a form, the frame of an application) is the
same on every page of it; whatever a person would write is made up anew for each page.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = (827, 1169)  # A4 at 100 pixels an inch
INK, PALE, RULE = (25, 25, 28), (110, 110, 118), (190, 190, 196)
_SYLLABLES = [
    *("an", "ba", "con", "de", "er", "fi", "ga", "hor", "in", "ka", "la", "mo", "nu", "or", "pre"),
    *("qui", "re", "sta", "ten", "ul", "ver", "wi", "za", "ble", "tion", "ment", "ing", "ly"),
    *("ster", "dom", "ran", "sel", "mi", "to", "be", "da", "che", "lo", "per", "vi"),
]

Drawing = ImageDraw.ImageDraw
Rng = np.random.Generator


@cache
def face(name: str, size: int) -> ImageFont.FreeTypeFont:
    """Return one of the fonts that matplotlib brings along."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / f"{name}.ttf"), size)


SANS, BOLD = "DejaVuSans", "DejaVuSans-Bold"
SERIF, MONO = "DejaVuSerif", "DejaVuSansMono"


def word(rng: Rng) -> str:
    """Return a made-up word."""
    return "".join(rng.choice(_SYLLABLES, size=int(rng.integers(1, 5))))


def sentence(rng: Rng, words: int) -> str:
    """Return made-up words in a row, with a capital and a full stop."""
    return " ".join(word(rng) for _ in range(words)).capitalize() + "."


def number(rng: Rng, digits: int = 4) -> str:
    """Return an amount of money."""
    return f"{rng.integers(10 ** (digits - 1), 10**digits):,}.{rng.integers(100):02d}"


def date(rng: Rng) -> str:
    """Return a day."""
    return f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.{rng.integers(2009, 2026)}"


def _lines(
    draw: Drawing, box: tuple[int, int, int, int], font: ImageFont.FreeTypeFont, rng: Rng,
    *, step: float, ink: tuple[int, int, int] = INK, last: float = 1.0,
) -> None:  # fmt: skip
    """Fill a box (x, y, right, bottom) with lines of words; the last one ends early."""
    x, y, right, bottom = box
    count = int((bottom - y) / step)
    for line in range(count):
        width = (right - x) * (last if line == count - 1 else 1.0)
        text = word(rng).capitalize() if line == 0 else word(rng)
        while draw.textlength(text, font) < width - 60:
            text += " " + word(rng)
        draw.text((x, y + line * step), text, ink, font)


def letter(draw: Drawing, rng: Rng) -> None:
    """Draw a letter below a letterhead."""
    draw.rectangle((70, 50, 130, 110), fill=(30, 70, 140))
    draw.text((145, 58), "Northgate Housing Office", INK, face(BOLD, 24))
    draw.text((145, 90), "12 Mill Lane, Northgate", PALE, face(SANS, 14))
    draw.line((70, 125, 757, 125), RULE, 2)
    for place in range(3):
        draw.text((70, 160 + 22 * place), sentence(rng, 3), INK, face(SERIF, 16))
    draw.text((600, 240), date(rng), INK, face(SERIF, 16))
    draw.text((70, 290), sentence(rng, 5), INK, face(BOLD, 16))
    for top in (340, 520, 700):
        _lines(draw, (70, top, 757, top + 150), face(SERIF, 16), rng, step=24, last=0.4)
    draw.text((70, 900), "Yours sincerely", INK, face(SERIF, 16))
    draw.text((70, 980), word(rng).capitalize(), INK, face(SERIF, 18))


def article(draw: Drawing, rng: Rng) -> None:
    """Draw a page of a journal in two columns."""
    draw.text((70, 40), "Proceedings of the Society   Volume 12", PALE, face(SERIF, 13))
    draw.text((70, 90), sentence(rng, 6), INK, face(SERIF, 26))
    for left in (70, 425):
        for top in (160, 480, 800):
            _lines(draw, (left, top, left + 330, top + 290), face(SERIF, 13), rng, step=17)
    draw.text((400, 1120), str(rng.integers(10, 400)), INK, face(SERIF, 13))


def form(draw: Drawing, rng: Rng) -> None:
    """Draw a form with printed labels, filled in."""
    draw.text((70, 50), "Application for a residence permit", INK, face(BOLD, 24))
    labels = "Family name,Given names,Date of birth,Place of birth,Nationality,Address,Telephone"
    labels += ",Employer,Purpose of stay,Date of arrival,Passport number,Valid until"
    for place, label in enumerate(labels.split(",")):
        top = 120 + 78 * place
        draw.rectangle((70, top, 757, top + 64), outline=RULE, width=2)
        draw.text((80, top + 5), label, PALE, face(SANS, 12))
        entry = date(rng) if "ate" in label[:5] else sentence(rng, int(rng.integers(1, 4)))
        draw.text((90, top + 28), entry, (20, 30, 120), face(SANS, 20))


def table(draw: Drawing, rng: Rng) -> None:
    """Draw a sheet of figures."""
    draw.text((60, 40), "Monthly statement", INK, face(BOLD, 22))
    columns = (60, 200, 420, 540, 660)
    for left, name in zip(columns, ("Date", "Item", "In", "Out", "Balance"), strict=True):
        draw.text((left, 90), name, INK, face(BOLD, 15))
    for row in range(32):
        top = 120 + 32 * row
        draw.line((60, top, 770, top), RULE)
        cells = (date(rng), sentence(rng, 2), number(rng, 3), number(rng, 3), number(rng, 5))
        for left, cell in zip(columns, cells, strict=True):
            draw.text((left, top + 7), cell, INK, face(SANS, 14))


def chat(draw: Drawing, rng: Rng) -> None:
    """Draw messages on a telephone."""
    draw.rectangle((0, 0, SIZE[0], 90), fill=(0, 95, 85))
    draw.text((90, 30), "Family", (255, 255, 255), face(BOLD, 26))
    draw.rectangle((0, 90, SIZE[0], SIZE[1]), fill=(236, 229, 221))
    top = 120
    while top < SIZE[1] - 120:
        lines, mine = int(rng.integers(1, 4)), bool(rng.random() < 0.5)
        left, height = 330 if mine else 40, 30 + 30 * lines
        fill = (220, 248, 198) if mine else (255, 255, 255)
        draw.rounded_rectangle((left, top, left + 450, top + height), 12, fill=fill)
        _lines(draw, (left + 15, top + 12, left + 440, top + 12 + 30 * lines), face(SANS, 19), rng,
               step=30, last=0.6)  # fmt: skip
        draw.text((left + 395, top + height - 20), f"{rng.integers(24):02d}:{rng.integers(60):02d}",
                  PALE, face(SANS, 12))  # fmt: skip
        top += height + 22


def code(draw: Drawing, rng: Rng) -> None:
    """Draw a program in an editor."""
    draw.rectangle((0, 0, *SIZE), fill=(30, 30, 34))
    draw.rectangle((0, 0, SIZE[0], 40), fill=(50, 50, 56))
    draw.text((60, 10), f"{word(rng)}.py", (220, 220, 220), face(SANS, 15))
    depth = 0
    for row in range(46):
        top = 60 + 23 * row
        draw.text((12, top), f"{row + 1:3d}", (110, 110, 115), face(MONO, 15))
        depth = max(0, min(4, depth + int(rng.integers(-1, 2))))
        if rng.random() < 0.12:
            continue
        head = str(rng.choice(["def", "return", "if", "for", "self.", "import"]))
        x = 60 + 36 * depth
        draw.text((x, top), head, (200, 130, 220), face(MONO, 15))
        rest = f"{word(rng)}({word(rng)}, {word(rng)})" + (":" if head in ("def", "if") else "")
        draw.text((x + 12 + 9 * len(head), top), rest, (215, 215, 205), face(MONO, 15))


def invoice(draw: Drawing, rng: Rng) -> None:
    """Draw an invoice with a logo and a table."""
    draw.ellipse((640, 40, 750, 150), fill=(200, 60, 40))
    draw.text((70, 60), "INVOICE", INK, face(BOLD, 40))
    for place, label in enumerate(("Number", "Date", "Customer", "Due")):
        draw.text((70, 150 + 30 * place), label, PALE, face(SANS, 16))
        draw.text((220, 150 + 30 * place), sentence(rng, 2) if place == 2 else date(rng), INK,
                  face(SANS, 16))  # fmt: skip
    draw.rectangle((70, 300, 757, 335), fill=(230, 230, 235))
    for left, name in ((80, "Description"), (480, "Quantity"), (640, "Amount")):
        draw.text((left, 308), name, INK, face(BOLD, 15))
    rows = int(rng.integers(6, 12))
    for row in range(rows):
        top = 350 + 40 * row
        draw.text((80, top), sentence(rng, 3), INK, face(SANS, 16))
        draw.text((500, top), str(rng.integers(1, 40)), INK, face(SANS, 16))
        draw.text((640, top), number(rng, 3), INK, face(SANS, 16))
    draw.text((480, 370 + 40 * rows), "Total", INK, face(BOLD, 20))
    draw.text((620, 370 + 40 * rows), number(rng), INK, face(BOLD, 20))
    draw.text((70, 1090), "Payable within 30 days to the account named above.", PALE,
              face(SANS, 13))  # fmt: skip


def post(draw: Drawing, rng: Rng) -> None:
    """Draw posts of a social network, each with a row of buttons."""
    draw.rectangle((0, 0, SIZE[0], 60), fill=(29, 110, 220))
    draw.text((40, 15), "Home", (255, 255, 255), face(BOLD, 24))
    for card in range(5):
        top = 80 + 215 * card
        draw.rectangle((40, top, 787, top + 200), outline=RULE, width=2)
        shade = tuple(int(one) for one in rng.integers(60, 220, size=3))
        draw.ellipse((60, top + 15, 110, top + 65), fill=shade)
        draw.text((125, top + 18), sentence(rng, 2)[:-1], INK, face(BOLD, 18))
        draw.text((125, top + 42), f"{rng.integers(1, 24)} h", PALE, face(SANS, 14))
        _lines(draw, (60, top + 80, 770, top + 155), face(SANS, 17), rng, step=25, last=0.5)
        for left, name in ((60, "Like"), (260, "Comment"), (480, "Share")):
            draw.text((left, top + 168), name, PALE, face(BOLD, 15))


def newspaper(draw: Drawing, rng: Rng) -> None:
    """Draw a newspaper's page of four columns below its title."""
    draw.text((190, 30), "The Morning Courier", INK, face(SERIF, 44))
    draw.line((50, 95, 777, 95), INK, 3)
    draw.text((60, 115), sentence(rng, 5), INK, face(SERIF, 34))
    for column in range(4):
        left = 50 + 185 * column
        _lines(draw, (left, 180, left + 200, 640), face(SERIF, 11), rng, step=14)
        draw.text((left, 660), sentence(rng, 2)[:16], INK, face(BOLD, 14))
        _lines(draw, (left, 690, left + 200, 1120), face(SERIF, 11), rng, step=14)


def receipt(draw: Drawing, rng: Rng) -> None:
    """Draw a till's receipt, in letters of one width."""
    draw.text((250, 50), "CORNER SHOP", INK, face(MONO, 34))
    draw.text((250, 95), "OPEN 8 TO 22 EVERY DAY", INK, face(MONO, 18))
    for row in range(int(rng.integers(14, 24))):
        top = 150 + 34 * row
        draw.text((180, top), word(rng).upper()[:14], INK, face(MONO, 22))
        draw.text((520, top), f"{number(rng, 2):>8}", INK, face(MONO, 22))
    draw.text((180, 1000), f"TOTAL {number(rng, 3):>18}", INK, face(MONO, 26))
    draw.text((180, 1050), f"{date(rng)}  THANK YOU", INK, face(MONO, 20))


def questionnaire(draw: Drawing, rng: Rng) -> None:
    """Draw printed questions of two lines, each with a short answer: most of it is printed."""
    draw.text((70, 50), "Questionnaire on housing", INK, face(BOLD, 24))
    for place, (first, second) in enumerate(zip(_PRINTED[:12], _PRINTED[12:], strict=True)):
        top = 110 + 85 * place
        draw.text((70, top), f"{place + 1}. {first[:75]}", INK, face(SANS, 15))
        draw.text((70, top + 22), second[:80], INK, face(SANS, 15))
        answer = sentence(rng, int(rng.integers(1, 4)))
        draw.text((100, top + 48), answer, (20, 30, 120), face(SANS, 18))


_PRINTED = [sentence(np.random.default_rng([7, place]), 9) for place in range(24)]

LAYOUTS: dict[str, Callable[[Drawing, Rng], None]] = {
    layout.__name__: layout
    for layout in (
        *(letter, article, form, table, chat),
        *(code, invoice, post, newspaper, receipt),
        questionnaire,
    )
}


def page(layout: str, seed: int) -> Image.Image:
    """Return a page of a layout (a name in `LAYOUTS`); other seeds give other words."""
    image = Image.new("RGB", SIZE, (252, 252, 250))
    LAYOUTS[layout](ImageDraw.Draw(image), np.random.default_rng(seed))
    return image
