"""Relevance through the models of keras.applications and a Vision Transformer.

`scripts/relevance_shares.py` runs the same with every preset and writes a table of the docs.
"""

import keras
import numpy as np
import pytest
from makers import architectures
from makers.paths import ROOT

import isi_keras as isi

# The others take up to minutes each: `make test-large`.
SMALL = {
    "tensorflow": ("ViT",),
    "torch": ("VGG16", "MobileNetV2"),
    "jax": ("ViT",),
}[keras.config.backend()]
CASES = [
    name if name in SMALL else pytest.param(name, marks=pytest.mark.large)
    for name in architectures.NAMES
]


@pytest.mark.parametrize("name", CASES)
def test_relevance_is_accounted_for(name):
    model, x = architectures.build(name), architectures.images(name, 2, 1)
    assert all(node.kind != "Whole" for node in isi.logits(model).plan(x).graphs.of(x).nodes)
    weights = model.get_weights()
    plain = keras.ops.convert_to_numpy(isi.logits(model)(x))
    found = isi.explain(model, x, indicator=isi.Relevance("epsilon_plus"), conservation=True)
    np.testing.assert_allclose(found.logits, plain, rtol=1e-3, atol=1e-3)
    assert np.isfinite(found.relevance).all()
    assert np.ptp(found.relevance, axis=(1, 2, 3)).all()
    report = found.conservation
    moved = sum(np.abs(report[key]) for key in ("explained", "inputs", "bias", "epsilon"))
    assert (np.abs(report["elsewhere"]) < 1e-4 * moved).all()
    for one, other in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_shares_of_the_docs_are_the_scripts():
    """The page shows the numbers beside it, and these have every model and preset."""
    import json
    import runpy

    script = runpy.run_path(str(ROOT / "scripts" / "relevance_shares.py"))
    numbers = json.loads((ROOT / "figures" / "relevance" / "shares.json").read_text())
    page = (ROOT / "docs" / "architectures.md").read_text()
    assert script["table"](numbers) in page
    assert set(numbers["models"]) == {"ViT", *architectures.KINDS}
    for found in numbers["models"].values():
        assert set(found["composites"]) == set(script["COMPOSITES"])
        for report in found["composites"].values():
            assert report["finite"]
            assert report["elsewhere"] < 1e-3


def test_the_table_of_the_docs_is_the_scripts():
    """Of every kind of model."""
    import json
    import runpy

    script = runpy.run_path(str(ROOT / "scripts" / "architectures.py"))
    numbers = json.loads(script["NUMBERS"].read_text())
    assert script["TABLE"].read_text() == script["table"](numbers) + "\n"
    assert set(numbers) <= set(script["BACKENDS"])
    assert sum(map(len, next(iter(numbers.values()))["rows"].values())) > 60
