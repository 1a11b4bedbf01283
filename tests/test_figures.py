"""The pictures in figures/: what is written there is whole."""

import numpy as np
import pytest
from makers.paths import ROOT
from PIL import Image

pytestmark = pytest.mark.once
PICTURES = sorted((ROOT / "figures").rglob("*.png"))


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_nothing_reaches_the_edge(path):
    """A text that is cut off, or a colour bar, leaves ink in the outermost pixels."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    assert all((edge > 250).all() for edge in edges)


def test_there_are_pictures():
    assert len(PICTURES) > 30
