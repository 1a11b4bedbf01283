"""The look of all figures: sizes, fonts, colours, colour bars; applied inside `context` only."""

import contextlib
import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import matplotlib.style
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.textpath import TextToPath

from isi_keras.results import write_atomically

WIDTH = 7.0
"""Width of a full figure in inches: the text block of a two-column page, printed one to one."""

TEXT = 8.0
"""Size of captions and titles in points."""

SMALL = 7.0
"""Size of tick labels and notes in points, the smallest in any figure."""

LINE = 1.35 * TEXT / 72
"""Height of one line of captions in inches."""

GAP = 0.05
"""Inches between two images."""

PITCH = 1.2 * SMALL / 72
"""Least inches from one line of tick labels to the next."""

LONGEST = 1.1
"""Inches after which a name is cut."""

FONT = "DejaVu Sans"
"""The family that Matplotlib ships, so that a figure looks the same on every machine."""

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
"""Okabe and Ito's colours for curves and bars, told apart with any colour vision."""

SIGNED = "RdBu_r"
"""The map of every signed quantity: red above zero, nearly white at zero, blue below."""

SEQUENTIAL = "viridis"
"""The map of quantities without a sign: its steps look even, also in grey."""

GREY = "gray"
"""The map of grey images: black is the lower bound, white the upper."""

POSITIVE, NEGATIVE = "#B2182B", "#2166AC"
"""Bars above and below zero, from the two arms of `SIGNED`."""

FAILED = "#CC3311"
"""Frame and text of an attack that failed."""

NEUTRAL = "#8C8C8C"
"""Frames that carry no verdict."""

MUTED = "#595959"
"""Notes; dark enough to read on white."""

EMPTY = "#E3E3E3"
"""Cells without a value."""

THEME: dict[str, Any] = {
    "axes.labelsize": TEXT,
    "axes.linewidth": 0.6,
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.titlesize": TEXT,
    "figure.dpi": 150,
    "figure.labelsize": TEXT,
    "figure.titlesize": TEXT,
    "font.family": FONT,
    "font.size": TEXT,
    "grid.color": EMPTY,
    "grid.linewidth": 0.5,
    "image.interpolation": "none",
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "savefig.dpi": 300,
    "svg.hashsalt": "isi_keras",
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
}
"""What `context` sets on top of Matplotlib's defaults."""


@contextlib.contextmanager
def context() -> Iterator[None]:
    """Applies the theme, from Matplotlib's defaults, until the block ends.

    The user's own settings do not leak in and come back afterwards.

    Example:
    >>> import matplotlib
    >>> before = matplotlib.rcParams["font.size"]
    >>> with context():
    ...     matplotlib.rcParams["font.size"]
    8.0
    >>> matplotlib.rcParams["font.size"] == before
    True
    """
    with matplotlib.style.context(THEME, after_reset=True):
        yield


UNDATED = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
"""What keeps the day of writing out of a file, so that the same figure makes the same file."""


class ThemedFigure(Figure):
    """A Figure outside pyplot that is saved with the theme and shows itself in notebooks."""

    def savefig(self, fname: Any, *, transparent: bool | None = None, **kwargs: Any) -> None:
        """Writes the figure as `Figure.savefig` does, with fonts embedded and 300 dots per inch."""
        kwargs.setdefault("metadata", UNDATED.get(str(kwargs.get("format"))))
        with context():
            super().savefig(fname, transparent=transparent, **kwargs)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=self.dpi)
        return buffer.getvalue()


def figure(width: float, height: float, *, layout: str = "constrained") -> ThemedFigure:
    """A new empty figure of `width` by `height` inches; call it inside `context`.

    Args:
        width: inches.
        height: inches.
        layout: `"constrained"`, or `"compressed"` for a grid of images that should lie close.
    """
    engine = ConstrainedLayoutEngine(
        w_pad=GAP / 2, h_pad=GAP / 2, wspace=0, hspace=0, compress=layout == "compressed"
    )
    return ThemedFigure(figsize=(width, height), layout=engine)


def save_picture(figure: Figure, path: Any) -> Any:
    """Writes a figure in the format that the suffix of `path` names, whole or not at all."""
    kind = path.suffix[1:].lower()
    return write_atomically(path, lambda file: figure.savefig(file, format=kind))


def color_bar(
    colors: ScalarMappable,
    panel: Axes,
    label: str,
    ticks: Sequence[float],
    texts: Sequence[str],
    *,
    extend: str = "neither",
    pad: float = 2,
    orientation: str = "vertical",
) -> Colorbar:
    """Draws the colour bar of a picture into a panel of its own.

    Args:
        colors: what was drawn, with its colours and limits.
        panel: for the bar.
        label: what the colours measure.
        ticks: where numbers stand.
        texts: these numbers.
        extend: at which end values lie beyond the limits: `"neither"`, `"min"`, `"max"`, `"both"`.
        pad: points from the numbers to the label.
        orientation: `"vertical"` or `"horizontal"`.
    """
    figure: Any = panel.get_figure(root=True)
    bar = figure.colorbar(colors, cax=panel, extend=extend, orientation=orientation)
    bar.set_ticks(ticks, labels=texts)
    panel.tick_params(labelsize=SMALL, length=2, width=0.6, pad=2)
    panel.tick_params(which="minor", length=0)
    bar.outline.set_linewidth(0.6)
    bar.set_label(label, size=SMALL, labelpad=pad)
    return bar


def inches(ax: Axes) -> tuple[float, float]:
    """Width and height of a panel as the figure is laid out now."""
    box, figure = ax.get_window_extent(), ax.get_figure(root=True)
    return box.width / figure.dpi, box.height / figure.dpi  # pyright: ignore[reportOptionalMemberAccess]


def frame(ax: Axes, color: str = NEUTRAL, width: float = 0.6) -> None:
    """Takes the ticks from `ax` and draws its frame in `color`, `width` points wide."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(color=color, linewidth=width)


def text_width(text: str, size: float = TEXT, family: str | Sequence[str] = FONT) -> float:
    """Width in inches of `text`, its longest line, at `size` points."""
    font = FontProperties(family=family, size=size)
    measure = TextToPath().get_text_width_height_descent
    return max(measure(line, font, False)[0] for line in text.split("\n")) / 72


def widest(texts: Iterable[str], size: float = TEXT) -> float:
    """Inches of the widest of `texts` at `size` points."""
    return max(text_width(text, size) for text in texts)


def lines(texts: Iterable[str]) -> int:
    """How many lines the highest of `texts` has."""
    return max(text.count("\n") + 1 for text in texts)


def counted(count: int, noun: str) -> str:
    """A number of things, as in "1 step" and "2 steps"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def span(counts: Collection[int]) -> str:
    """The numbers that several results have, as in "8" or "5 to 8"."""
    least, most = min(counts), max(counts)
    return str(least) if least == most else f"{least} to {most}"


def wrap(text: str, width: float, size: float = TEXT, *, at: str = " ") -> str:
    """Breaks `text` after `at` so that no line is wider than `width` inches, if that can be."""
    first, *rest = text.split(at)
    lines = [first]
    for piece in rest:
        longer = f"{lines[-1]}{at}{piece}"
        if text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines[-1] += at.rstrip()
            lines.append(piece)
    return "\n".join(lines)


def shorten(text: str, width: float, size: float = TEXT) -> str:
    """Cuts `text` to `width` inches, with an ellipsis where something is left out."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(f"{text}…", size) > width:
        text = text[:-1].rstrip()
    return f"{text}…"


def ink(color: Any) -> str:
    """Black or white, whichever stands out more on `color` by the ratio of luminances.

    Example:
    >>> ink("#FFFFFF"), ink("#440154")
    ('black', 'white')
    """
    return "black" if contrast(color, "black") > contrast(color, "white") else "white"


def contrast(one: Any, other: Any) -> float:
    """The ratio of the luminances of two colours, 1 to 21; text is easy to read from 4.5 on.

    Example:
    >>> round(contrast("black", "white"), 6), round(contrast(MUTED, "white"), 1)
    (21.0, 7.0)
    """
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: Any) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in to_rgb(color)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def number(value: float, digits: int = 3, *, sign: bool = False) -> str:
    """`value` with `digits` significant digits and a true minus; `sign` also writes the plus.

    Whole numbers stay whole, so that an age of 39 does not become 39.0.

    Example:
    >>> number(11.3456), number(0.5, 2, sign=True), number(52000)
    ('11.3', '+0.50', '52000')
    """
    value = float(value)
    plus = "+" if sign and value else ""
    if 10**digits - 0.5 <= abs(value) < 1e6 or (value.is_integer() and abs(value) < 1e6):
        text = f"{value:{plus}.0f}"
    else:
        text = f"{value:{plus}#.{digits}g}".rstrip(".")
    return text.replace("-", "\N{MINUS SIGN}")
