"""`explain(..., tokens=...)`: the explanation keeps the words of the input that is a text."""

import keras
import numpy as np
import pytest

import isi_keras as isi
from isi_keras import plotting

WORDS = ["", "a", "fine", "film", "no"]
IDS = np.array([[1, 2, 3, 0], [4, 3, 0, 0]])
EXPECTED = [["a", "fine", "film", ""], ["no", "film", "", ""]]


def text_model(dtype="int32"):
    return keras.Sequential(
        [
            keras.Input((4,), dtype=dtype),
            keras.layers.Embedding(5, 3, embeddings_initializer="random_normal"),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(2, "softmax"),
        ]
    )


def mixed_model(structure):
    """A text beside a table and a picture, whose inputs are a list or a dictionary."""
    table = keras.Input((4,), name="table")
    picture = keras.Input((3, 3, 1), name="picture")
    ids = keras.Input((4,), dtype="int32", name="ids")
    layers = keras.layers
    joined = layers.Concatenate()(
        [
            layers.GlobalAveragePooling1D()(layers.Embedding(5, 3)(ids)),
            layers.Flatten()(picture),
            table,
        ]
    )
    given = [table, picture, ids]
    if structure == "dictionary":
        given = {each.name: each for each in given}
    return keras.Model(given, layers.Dense(2, "softmax")(joined))


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_words_are_kept(dtype, tmp_path):
    explanation = isi.explain(text_model(dtype), IDS, tokens=WORDS)
    np.testing.assert_array_equal(explanation.tokens, EXPECTED)
    again = isi.Explanation.load(explanation.save(tmp_path / "text"))
    np.testing.assert_array_equal(again.tokens, EXPECTED)
    drawn = plotting.text(again, 1)
    assert [word.get_text() for word in drawn.texts][:2] == ["no", "film"]
    np.testing.assert_array_equal(drawn.collections[0].get_array(), explanation.relevance[1, :2])


def test_without_words_there_are_none():
    assert isi.explain(text_model(), IDS).tokens is None


@pytest.mark.parametrize("given", [list, dict])
@pytest.mark.parametrize("structure", ["list", "dictionary"])
def test_the_text_among_several_inputs(structure, given):
    rng = np.random.default_rng(0)
    x = {"table": rng.normal(size=(2, 4)), "picture": rng.normal(size=(2, 3, 3, 1)), "ids": IDS}
    x = list(x.values()) if given is list else x
    explanation = isi.explain(mixed_model(structure), x, tokens=WORDS)
    assert list(explanation.tokens) == ["ids"]
    np.testing.assert_array_equal(explanation.tokens["ids"], EXPECTED)
    drawn = plotting.text(explanation, 0)
    assert [word.get_text() for word in drawn.texts][:3] == ["a", "fine", "film"]
    of_ids = explanation.relevance["ids"][0, :3]
    np.testing.assert_array_equal(drawn.collections[0].get_array(), of_ids)
    by_name = isi.explain(mixed_model(structure), x, tokens={"ids": EXPECTED})
    np.testing.assert_array_equal(by_name.tokens["ids"], EXPECTED)


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match=r"the words of 2 samples\. Received: those of 1"):
        isi.explain(text_model(), IDS, tokens=[["a"] * 4])
    images = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()])
    with pytest.raises(ValueError, match=r"integers \(N, T\)\. Received: x float32 \(1, 4, 4, 1\)"):
        isi.explain(images, np.full((1, 4, 4, 1), 0.5), tokens=WORDS)
