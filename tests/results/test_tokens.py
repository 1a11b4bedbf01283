"""The words of a text: every form in which they are given, and how an explanation keeps them."""

import dataclasses

import numpy as np
import pytest
from makers.results import make_explanation, make_text

import isi_keras as isi
from isi_keras.results import tokens

VOCABULARY = ["", "a", "fine", "film", "no"]
IDS = np.array([[1, 2, 3], [4, 0, 0]], "int32")
WORDS = [["a", "fine", "film"], ["no", "", ""]]


class Tokenizer:
    """Knows the words of single ids, as those of KerasHub do, and of lists, as others do."""

    def id_to_token(self, number):
        if number >= len(VOCABULARY):  # a list raises a TypeError here
            raise ValueError("out of range")
        return VOCABULARY[number]

    def of_list(self, ids):
        return [VOCABULARY[number] for number in ids]

    def of_both(self, ids):
        return VOCABULARY[ids] if isinstance(ids, int) else self.of_list(ids)


FORMS = {
    "lists": WORDS,
    "tuples": tuple(map(tuple, WORDS)),
    "shorter lists": [["a", "fine", "film"], ["no"]],
    "array": np.array(WORDS),
    "array of objects": np.array(WORDS, object),
    "vocabulary": VOCABULARY,
    "vocabulary as an array": np.array(VOCABULARY),
    "function of an id": Tokenizer().id_to_token,
    "function of a list": Tokenizer().of_list,
    "function of both": Tokenizer().of_both,
    "dictionary": dict(enumerate(VOCABULARY)).get,
}


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float32"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_words(form, dtype):
    words = tokens.as_words(FORMS[form], IDS.astype(dtype))
    np.testing.assert_array_equal(words, WORDS)
    assert words.dtype.kind == "U"
    assert words.shape == IDS.shape


def test_a_function_of_a_list_sees_each_sample():
    words = tokens.as_words(lambda ids: [f"{number} of {len(ids)}" for number in ids], IDS)
    assert words[1].tolist() == ["4 of 3", "0 of 3", "0 of 3"]


def test_none_is_none():
    assert tokens.as_words(None, np.zeros((2, 3))) is None


def test_a_last_null_is_not_lost():
    assert tokens.as_words([["\0", "a\0"]], IDS[:1, :2]).tolist() == [["\ufffd", "a\ufffd"]]


class TestPadding:
    @pytest.mark.parametrize("pad", [0, 1])
    def test_before_or_after(self, pad):
        x = np.array([[7, 8, 9, pad, pad], [7, 5, pad, pad, pad]])
        rows = [["<s>", "b", "c"], ["<s>", "d"]]
        np.testing.assert_array_equal(
            tokens.as_words(rows, x), [["<s>", "b", "c", "", ""], ["<s>", "d", "", "", ""]]
        )
        np.testing.assert_array_equal(
            tokens.as_words(rows, x[:, ::-1]), [["", "", "<s>", "b", "c"], ["", "", "", "<s>", "d"]]
        )

    @pytest.mark.parametrize(
        ("x", "rows"),
        [
            ([[5, 6, 7, 8]], [["b", "c"]]),  # the marks of the beginning and the end left out
            ([[5, 6, 0]], [["b", "c"]]),  # is 5 padding, or 0?
            ([[5, 6, 0, 0], [5, 6, 1, 1]], [["b", "c"], ["b", "c"]]),
        ],
    )
    def test_what_is_no_padding(self, x, rows):
        with pytest.raises(ValueError, match=r"a word for each of the \d ids.*2 for sample 0\. Sh"):
            tokens.as_words(rows, np.array(x))


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        (WORDS[:1], ValueError, r"tokens to have the words of 2 samples\. Received: those of 1"),
        ([["a"] * 4, ["b"] * 3], ValueError, r"each of the 3 ids .*Received: 4 for sample 0"),
        ([["a"] * 2, ["b"] * 3], ValueError, r"Received: 2 for sample 0\. Shorter lists"),
        ([["a", "b", 3], ["b"] * 3], TypeError, r"Received: 3 of type int in sample 0"),
        ([[b"a", b"b", b"c"]] * 2, TypeError, r"Received: b'a' of type bytes in sample 0"),
        (["a fine film", ["no"]], TypeError, r"list of words .*Received: 'a fine film' for sample"),
        (["a fine film", "no"], ValueError, r"vocabulary of 2 words, but x holds the id 2.*lists"),
        (VOCABULARY[:3], ValueError, r"vocabulary of 3 words, but x holds the id 3"),
        ("a fine film", TypeError, r"Expected tokens as lists of words, .*Received: 'a fine film'"),
        (3, TypeError, r"or a function from ids to words\. Received: 3"),
        ({0: "a"}, TypeError, r"one input, so tokens need no name.*Received: a dict of \[0\]"),
        ({1: "a"}.get, TypeError, r"return a word for the id 0\. Received: None"),
        (lambda ids: ["a"] * len(ids) + ["b"], ValueError, r"Received: 4 for sample 0"),
    ],
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
def test_what_is_wrong_is_said(given, error, match):
    with pytest.raises(error, match=match):
        tokens.as_words(given, IDS)


@pytest.mark.parametrize("shape", [(2, 4, 4, 1), (2,), (2, 3, 5)])
def test_a_text_has_ids(shape):
    with pytest.raises(ValueError, match=r"integers \(N, T\)\. Received: x int64 \(2,"):
        tokens.as_words(WORDS, np.zeros(shape, "int64"))


@pytest.mark.parametrize("value", [0.5, -1.0, np.nan])
def test_numbers_that_are_no_ids(value):
    with pytest.raises(ValueError, match=r"integers \(N, T\)\. Received: x float64 \(2, 3\)"):
        tokens.as_words(WORDS, np.full((2, 3), value))


def several(**inputs):
    """Inputs of two samples beside a picture and a table."""
    return {"picture": np.ones((2, 4, 4, 1)), "table": np.full((2, 3), 0.5), **inputs}


class TestSeveralInputs:
    def test_the_one_of_integers(self):
        words = tokens.as_words(VOCABULARY, several(ids=IDS, counts=np.ones((2, 3))))
        assert list(words) == ["ids"]
        np.testing.assert_array_equal(words["ids"], WORDS)

    def test_masks_and_segments_are_no_texts(self):
        x = {"mask": np.sign(IDS), "segments": 0 * IDS, "token_ids": IDS}
        assert tokens.name_of_ids(x) == "token_ids"
        assert tokens.name_of_ids({"only": np.sign(IDS)}) == "only"

    def test_ids_that_the_model_takes_as_real_numbers(self):
        assert tokens.name_of_ids(several(ids=IDS.astype("float32"))) == "ids"

    def test_by_name(self):
        x = several(premise=IDS, hypothesis=IDS[:, :2])
        given = {"hypothesis": VOCABULARY, "premise": WORDS}
        words = tokens.as_words(given, x)
        np.testing.assert_array_equal(words["premise"], WORDS)
        np.testing.assert_array_equal(words["hypothesis"], np.array(WORDS)[:, :2])

    @pytest.mark.parametrize(
        ("given", "inputs", "match"),
        [
            (VOCABULARY, {}, r"None of the inputs.*Received: 'picture' float64 \(2, 4, 4, 1\), 't"),
            (VOCABULARY, {"a": IDS, "b": IDS}, r"'a', 'b'\. .*tokens=\{'a': \.\.\.\}.*select\('a'"),
            (
                {"c": WORDS},
                {"a": IDS},
                r"words for 'c', which is no input.* 'picture', 'table', 'a",
            ),
            ({"table": WORDS}, {"a": IDS}, r"Received: x\['table'\] float64 \(2, 3\)"),
            ({"a": WORDS[:1]}, {"a": IDS}, r"tokens\['a'\] to have the words of 2"),
        ],
    )
    def test_errors(self, given, inputs, match):
        with pytest.raises(ValueError, match=match):
            tokens.as_words(given, several(**inputs))


def of_two_inputs():
    text = make_text("a fine film", "no")
    picture = make_explanation((4, 4, 1), 2)
    return dataclasses.replace(
        text,
        x={"picture": picture.x, "ids": text.x},
        relevance={"picture": picture.relevance, "ids": text.relevance},
        tokens={"ids": text.tokens},
    )


class TestExplanation:
    def test_is_cut_joined_and_saved(self, tmp_path):
        whole = make_text("a fine film", "no", "a longer-one")
        assert whole[1].tokens.tolist() == [["no", "", ""]]
        parts = [isi.Explanation.load(p.save(tmp_path / str(n))) for n, p in enumerate(whole)]
        joined = isi.Explanation.concatenate(parts)
        np.testing.assert_array_equal(joined.tokens, whole.tokens)
        short, long = make_text("a b"), make_text("ever longer")
        assert isi.Explanation.concatenate([short, long]).tokens[1].tolist() == ["ever", "longer"]

    def test_of_several_inputs(self, tmp_path):
        whole = of_two_inputs()
        again = isi.Explanation.load(whole.save(tmp_path / "a"))
        np.testing.assert_array_equal(again.tokens["ids"], whole.tokens["ids"])
        joined = isi.Explanation.concatenate([again[:1], again[1:]])
        np.testing.assert_array_equal(joined.tokens["ids"], whole.tokens["ids"])
        np.testing.assert_array_equal(again.select("ids").tokens, whole.tokens["ids"])
        assert again.select("picture").tokens is None

    def test_a_file_without_words(self, tmp_path):
        path = make_text(tokens=None).save(tmp_path / "a")
        with np.load(path) as data:
            assert not [name for name in data.files if name.startswith("tokens")]
        assert isi.Explanation.load(path).tokens is None

    def test_words_hold_no_pickles(self, tmp_path):
        with np.load(make_text().save(tmp_path / "a"), allow_pickle=False) as data:
            assert data["tokens"].dtype.kind == "U"

    @pytest.mark.parametrize(
        ("given", "error", "match"),
        [
            ([["a", "b", "c"], ["d", "e", "f"]], TypeError, r"an array of str.*`explain"),
            (np.ones((2, 3)), TypeError, r"an array of str"),
            (np.array([["a", "b"]] * 2), ValueError, r"tokens \(2, 2\), x \(2, 3\)"),
            ({"ids": np.array([["a"]])}, TypeError, r"an array of str"),
        ],
    )
    def test_what_does_not_fit(self, given, error, match):
        with pytest.raises(error, match=match):
            make_text(tokens=given)

    def test_what_does_not_fit_several_inputs(self):
        whole = of_two_inputs()
        with pytest.raises(ValueError, match=r"tokens \(2, 3\), x by name"):
            dataclasses.replace(whole, tokens=whole.tokens["ids"])
        with pytest.raises(ValueError, match=r"tokens \(2, 3\), x \(2, 4, 4, 1\)"):
            dataclasses.replace(whole, tokens={"picture": whole.tokens["ids"]})
        with pytest.raises(TypeError, match=r"by the names of inputs"):
            dataclasses.replace(whole, tokens={"text": whole.tokens["ids"]})
