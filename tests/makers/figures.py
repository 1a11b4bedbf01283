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


def inside(figure, renderer=None):
    """Whether all that a figure holds lies within it, as it was drawn last."""
    box = figure.get_tightbbox(renderer).padded(-0.02)
    lower = min(box.x0, box.y0) >= 0
    return lower and box.x1 <= figure.get_figwidth() and box.y1 <= figure.get_figheight()


def watch(monkeypatch):
    """Lets every figure of ours that is written fail if a text of it is clipped.

    It is measured as it is drawn: hinted letters have another width at another resolution.
    """
    from isi_keras.plotting import style

    def draw(figure, renderer):
        original(figure, renderer)
        assert inside(figure, renderer), "something is cut off at the edge of a figure"

    original = style.ThemedFigure.draw
    monkeypatch.setattr(style.ThemedFigure, "draw", draw)
