"""What stands in a figure."""

import io

import numpy as np


def drawn(figure):
    """Renders the figure; a warning of the layout would be an error here."""
    figure.savefig(io.BytesIO(), format="png", dpi=50)
    return figure


def frame_color(ax):
    (color,) = {spine.get_edgecolor() for spine in ax.spines.values()}
    return color


def pixels(ax):
    return np.asarray(ax.images[0].get_array())


def inside(figure):
    """Whether all that a figure holds lies within it, as it was drawn last."""
    box = figure.get_tightbbox().padded(-0.02)
    lower = min(box.x0, box.y0) >= 0
    return lower and box.x1 <= figure.get_figwidth() and box.y1 <= figure.get_figheight()


def watch(monkeypatch):
    """Lets every figure of ours that is written fail if a text of it is clipped."""
    from isi_keras.plotting import style

    def savefig(figure, *arguments, **options):
        original(figure, *arguments, **options)
        assert inside(figure), "something is cut off at the edge of a figure"

    original = style.ThemedFigure.savefig
    monkeypatch.setattr(style.ThemedFigure, "savefig", savefig)
