"""Coloured text: which tokens, where, in which colours, and what is said of the rest."""

import dataclasses
import itertools
import warnings

import matplotlib.pyplot as pyplot
import numpy as np
import pytest
from makers.figures import drawn
from makers.results import CLASSES, make_explanation, make_text
from matplotlib import font_manager
from matplotlib.colors import to_rgb, to_rgba

from isi_keras import plotting
from isi_keras.plotting import fonts, style
from isi_keras.plotting.explanation import _flow, _pieces, _tokens


def words_of(ax):
    """The tokens that are drawn; they are centred on their background, notes are not."""
    return [text.get_text() for text in tokens_of(ax)]


def tokens_of(ax):
    return [text for text in ax.texts if text.get_horizontalalignment() == "center"]


def notes_of(ax):
    return " ".join(t.get_text() for t in ax.texts if t.get_horizontalalignment() == "left")


def boxes_of(ax):
    """The backgrounds in pixels, and those of the texts they belong to."""
    (collection,) = ax.collections
    transform = collection.get_transform()
    boxes = [transform.transform_bbox(path.get_extents()) for path in collection.get_paths()]
    return boxes, [text.get_window_extent() for text in tokens_of(ax)]


class TestNumbers:
    def test_each_token_has_its_relevance(self):
        explanation = make_text("a fine film", "no")
        (collection,) = plotting.text(explanation).collections
        np.testing.assert_allclose(collection.get_array(), [0.1, -0.2, 0.3], rtol=1e-6)
        assert collection.get_clim() == pytest.approx((-0.3, 0.3))
        assert collection.get_cmap().name == style.SIGNED

    def test_a_limit(self):
        ax = plotting.text(make_text("a fine film"), limit=0.2)
        (collection,) = ax.collections
        assert collection.get_clim() == (-0.2, 0.2)
        assert collection.colorbar.extend == "both"
        assert plotting.text(make_text("a b"), limit=2).collections[0].colorbar.extend == "neither"

    def test_relevance_of_zero_is_drawn_in_the_middle(self):
        ax = plotting.text(make_text("a film", relevance=np.zeros((1, 2))))
        assert ax.collections[0].get_clim() == (-1, 1)
        drawn(ax.figure)

    def test_the_colour_bar_says_what_it_measures(self):
        bar = plotting.text(make_text("a fine film")).collections[0].colorbar
        assert bar.ax.get_xlabel() == "relevance"
        minus = "\N{MINUS SIGN}"
        labels = [label.get_text() for label in bar.ax.get_xticklabels()]
        assert labels == [f"{minus}0.30", "0", "+0.30"]

    def test_the_title(self):
        ax = plotting.text(make_text("a fine film", "no"), 1, classes=CLASSES)
        title = ax.get_title().replace("\n", " ")
        assert title == "predicted cat, explained automobile, logit 11.3"


class TestInk:
    def test_stands_out_on_its_background(self):
        ax = plotting.text(make_text(" ".join(["word", "[CLS]"] * 20)))
        drawn(ax.figure)  # which gives the backgrounds their colours
        texts = tokens_of(ax)
        faces = ax.collections[0].get_facecolors()
        assert len(texts) == len(faces)
        for text, face in zip(texts, faces, strict=True):
            assert style.contrast(text.get_color(), face) >= 4.5
        assert {text.get_color() for text in texts} == {"black", "white", style.MUTED}

    def test_the_background_is_that_of_the_html(self):
        explanation = make_text("a fine film , not")
        ax = plotting.text(explanation)
        drawn(ax.figure)
        colors = _tokens.read(explanation, 0, (), None).colors()
        np.testing.assert_allclose(
            ax.collections[0].get_facecolors(), [to_rgba(color) for color in colors], atol=1 / 255
        )

    def test_what_is_no_word_is_small_and_grey(self):
        ax = plotting.text(make_text("[CLS] film </s>", relevance=np.array([[0.0, 1.0, 0.01]])))
        cls, film, end = ax.texts
        for text in (cls, end):
            assert text.get_color() == style.MUTED
            assert text.get_fontsize() == style.SMALL
        assert film.get_color() == "white"
        assert film.get_fontsize() == style.TEXT


class TestPadding:
    def test_is_left_out(self):
        ax = plotting.text(make_text("a fine film", "no [PAD] <pad>"), 1, skip=_tokens.PADDING)
        assert words_of(ax) == ["no"]

    def test_what_it_carries_is_said(self):
        relevance = np.array([[0.1, 0.2, -0.3], [1.0, 0.25, 0.5]])
        explanation = make_text("a fine film", "no", relevance=relevance)
        ax = plotting.text(explanation, 1)
        assert notes_of(ax) == "Left out: 2 tokens, relevance +0.75."
        assert ax.collections[0].get_clim() == (-1, 1)
        assert not notes_of(plotting.text(explanation, 0))
        relevance[1, 1:] = 1e-5  # rounding
        assert not notes_of(plotting.text(dataclasses.replace(explanation, relevance=relevance), 1))

    def test_can_be_drawn(self):
        ax = plotting.text(make_text("a fine film", "no [PAD]"), 1, skip=())
        assert [text.get_text() for text in ax.texts] == ["no", "[PAD]", "\N{OPEN BOX}"]
        assert [text.get_fontsize() for text in ax.texts] == [style.TEXT, style.SMALL, style.SMALL]

    def test_a_word_of_the_users(self):
        assert words_of(plotting.text(make_text("a fine film"), skip="a")) == ["fine", "film"]
        assert words_of(plotting.text(make_text("a fine film"), skip=["a", "film"])) == ["fine"]

    def test_nothing_but_padding(self):
        ax = plotting.text(make_text("[PAD] [PAD]"))
        drawn(ax.figure)
        assert not words_of(ax)
        assert notes_of(ax) == "Left out: 2 tokens, relevance \N{MINUS SIGN}0.10."


class TestReading:
    @pytest.mark.parametrize(
        ("words", "texts", "spaced"),
        [
            ("a fine film", "a fine film", "011"),
            ("aston ##ish ##ing film ##", "aston ish ing film ##", "00011"),
            ("Once Ġupon Ġa Ġk iller", "Once upon a k iller", "01110"),
            ("▁Once ▁up on", "Once up on", "010"),
            ("<s> ▁Once up </s>", "<s> Once up </s>", "0101"),
            ("[CLS] ##ing [SEP]", "[CLS] ing [SEP]", "011"),
            ("▁a ▁ ▁b", "a ␣ b", "011"),
            ("<br /> [x] <>", "<br /> [x] <>", "0111"),
        ],
    )
    def test_spaces_stand_where_words_begin(self, words, texts, spaced):
        found = _pieces.as_text(words.split(" "))
        assert [text for text, *_ in found] == texts.split(" ")
        assert "".join(str(int(apart)) for _, apart, *_ in found) == spaced

    def test_words_with_their_own_spaces(self):
        found = _pieces.as_text(["Once", " upon", "!"])
        assert [(text, spaced) for text, spaced, *_ in found] == [
            ("Once", False),
            ("upon", True),
            ("!", False),
        ]

    def test_what_is_no_word(self):
        words = [
            "[CLS]",
            "[x]",
            "<s>",
            "</s>",
            "<|endoftext|>",
            "<",
            "a<b>",
            "",
            "[",
            "[]",
            "<a b>",
        ]
        found = [special for *_, special in _pieces.as_text(words)]
        assert found == [True, False, True, True, True, False, False, True, False, False, False]

    def test_lines_that_end(self):
        found = _pieces.as_text(["a", "\n", "b\n", "c"])
        assert [(text, spaced, ends) for text, spaced, ends, _ in found] == [
            ("a", False, False),
            ("↵", True, True),
            ("b↵", False, True),
            ("c", False, False),
        ]
        assert _pieces.as_text(["Ġa", "Ċ"])[1] == ("↵", False, True, False)

    def test_tokens_of_bytes(self):
        assert _pieces.BYTES["Ġ"] == ord(" ")
        assert _pieces.BYTES["Ċ"] == ord("\n")
        assert sorted(_pieces.BYTES.values()) == list(range(256))
        written = {byte: letter for letter, byte in _pieces.BYTES.items()}
        for word in ("Über", " naïve", " 映画", "!\n"):
            token = "".join(written[byte] for byte in word.encode())
            (_, (text, spaced, ends, _)) = _pieces.as_text(["Ġa", token])
            assert text == word.strip(" ").replace("\n", "↵")
            assert (spaced, ends) == (word[0] == " ", word[-1] == "\n")
        half = written["é".encode()[0]]
        assert [text for text, *_ in _pieces.as_text(["Ġa", half])] == ["a", half]

    def test_what_cannot_be_seen(self):
        words = ["\t", "a\x07", "\ud800", "  "]
        assert [_pieces.visible(word) for word in words] == ["⇥", "a\ufffd", "\ufffd", "␣␣"]


class TestLines:
    @pytest.mark.parametrize("width", [0.3, 1, 3, 6.9])
    def test_stay_within_the_width_and_lose_nothing(self, width):
        words = ("the end . aston ##ish ##ing ##ly [SEP] " * 9 + "x" * 150 + " , so").split(" ")
        explanation = make_text(" ".join(words))
        tokens = _tokens.read(explanation, 0, (), None).tokens
        places = _flow.flow(tokens, width)
        for number, token in enumerate(tokens):
            parts = [place.text for place in places if place.token == number]
            assert "".join(parts) == token.text
        for one, two in itertools.pairwise(places):
            assert two.line == one.line + 1 or two.left >= one.left + one.width - 1e-9
        for place in places:
            assert place.left + place.width <= width + 1e-9 or len(place.text) == 1
            assert place.left >= 0

    def test_pieces_of_a_word_stay_together(self):
        tokens = _tokens.read(make_text("film aston ##ish ##ing"), 0, (), None).tokens
        width = sum(place.width for place in _flow.flow(tokens, 9)) - 0.1
        assert [place.line for place in _flow.flow(tokens, width)] == [0, 1, 1, 1]

    def test_no_line_begins_with_a_comma(self):
        for sign in (",", "!", ")", "\N{RIGHT DOUBLE QUOTATION MARK}"):
            tokens = _tokens.read(make_text(f"a film {sign} so"), 0, (), None).tokens
            film = _flow.flow(tokens, 9)[1]
            places = _flow.flow(tokens, film.left + film.width + 0.01)
            assert [place.line for place in places][:3] == [0, 1, 1], sign
        for sign in (
            "\N{IDEOGRAPHIC FULL STOP}",
            "\N{FULLWIDTH COMMA}",
            "\N{RIGHT CORNER BRACKET}",
        ):
            assert _flow._closes(sign)
        for sign in ("(", "a.", "\N{LEFT CORNER BRACKET}"):
            assert not _flow._closes(sign)

    def test_long_texts_take_the_whole_page(self):
        short, long = (plotting.text(make_text("the end " * n + "x")) for n in (4, 80))
        assert short.figure.get_figwidth() == style.WIDTH / 2
        assert long.figure.get_figwidth() == style.WIDTH
        assert long.figure.get_figheight() > short.figure.get_figheight() + 1

    def test_each_text_lies_on_its_background(self):
        ax = plotting.text(make_text("[CLS] the end , Über " * 9 + "g" * 120))
        drawn(ax.figure)
        boxes, texts = boxes_of(ax)
        for box, text in zip(boxes, texts, strict=True):
            assert box.x0 - 2 <= text.x0
            assert text.x1 <= box.x1 + 2
            assert box.y0 - 1 <= text.y0
            assert text.y1 <= box.y1 + 1


class TestPanel:
    def test_of_the_user(self):
        with style.context():
            figure = style.figure(7, 3)
            left, right = figure.subplots(1, 2)
        ax = plotting.text(make_text("a fine film"), ax=right)
        assert ax is right
        assert not left.texts
        assert words_of(ax) == ["a", "fine", "film"]
        drawn(figure)

    def test_of_pyplot(self):
        figure, ax = pyplot.subplots()
        plotting.text(make_text("the end . " * 40), ax=ax)
        box = figure.get_tightbbox().padded(-0.02)
        assert box.x1 <= figure.get_figwidth()
        pyplot.close(figure)

    def test_what_has_no_room_is_said(self):
        with style.context():
            ax = style.figure(3, 1.6).add_subplot()
        plotting.text(make_text("the end . " * 50 + "last"), ax=ax)
        shown = len(words_of(ax))
        assert 0 < shown < 151
        assert notes_of(ax) == f"No room for the last {151 - shown} of 151 tokens."
        drawn(ax.figure)
        bottom = ax.collections[0].colorbar.ax.get_window_extent().y0
        assert bottom > 0

    def test_all_is_drawn_in_a_figure_of_its_own(self):
        ax = plotting.text(make_text("the end . " * 200 + "last"))
        assert len(words_of(ax)) == 601
        assert not notes_of(ax)


class TestWords:
    def test_ids_stand_for_words_that_are_missing(self):
        explanation = make_text("a fine film", "no", tokens=None)
        ax = plotting.text(explanation)
        assert words_of(ax) == ["1", "2", "3"]
        assert notes_of(ax) == "The numbers are token ids."

    def test_words_given_late(self):
        explanation = make_text("a fine film", "no", tokens=None)
        vocabulary = ["", "un", "petit", "film"]
        assert words_of(plotting.text(explanation, tokens=vocabulary)) == ["un", "petit", "film"]
        with pytest.raises(ValueError, match=r"vocabulary of 2 words"):
            plotting.text(explanation, tokens=["a", "b"])

    def test_no_formulas(self):
        ax = plotting.text(make_text("$5 and $6 _x^ \\alpha"))
        assert words_of(ax)[0] == "$5"
        drawn(ax.figure)


class TestFonts:
    def test_other_fonts_take_what_is_lacking(self):
        path = next(e.fname for e in font_manager.fontManager.ttflist if e.name == "STIXGeneral")
        has = fonts._characters(path) - fonts._characters(font_manager.findfont(style.FONT))
        others, unknown = fonts._others(frozenset(chr(code) for code in sorted(has)[:3]))
        assert others
        assert not unknown
        letter = chr(min(has))
        assert fonts.families([letter]) != [style.FONT]
        assert fonts.families(["film", "Über", "שלום"]) == [style.FONT]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            drawn(plotting.text(make_text(f"a {letter} b")).figure)

    def test_what_no_font_has_is_said(self):
        nobody = "\N{EGYPTIAN HIEROGLYPH A001}"
        if nobody not in fonts._others(frozenset(nobody))[1]:
            pytest.skip("an installed font has hieroglyphs")
        with pytest.warns(
            UserWarning, match=r"No installed font has 1 .*plotting\.text_html"
        ) as said:
            ax = plotting.text(make_text(f"a {nobody}x"))
        assert said[0].filename == __file__
        assert words_of(ax) == ["a", f"{fonts.MISSING}x"]
        drawn(ax.figure)


class TestSeveralInputs:
    def of(self, **texts):
        """A picture beside texts."""
        picture = make_explanation((4, 4, 1), 1)
        parts = {"picture": picture, "table": make_explanation((3,), 1)}
        parts |= {name: make_text(text) for name, text in texts.items()}
        return dataclasses.replace(
            picture,
            x={name: part.x for name, part in parts.items()},
            relevance={name: part.relevance for name, part in parts.items()},
        )

    @pytest.mark.parametrize("function", [plotting.text, plotting.text_html])
    def test_the_text_among_them(self, function):
        explanation = self.of(ids="a fine film")
        vocabulary = ["", "ein", "feiner", "Film"]
        for given in (vocabulary, {"ids": vocabulary}):
            found = function(explanation, tokens=given)
            shown = found if isinstance(found, str) else words_of(found)
            for word in vocabulary[1:]:
                assert word in shown
        assert words_of(plotting.text(explanation)) == ["1", "2", "3"]

    def test_two_texts(self):
        explanation = self.of(one="a fine film", two="a film")
        with pytest.raises(ValueError, match=r"'one', 'two'.*explanation\.select\('one'\)"):
            plotting.text(explanation)
        vocabulary = ["", "a", "b", "c"]
        both = {"one": vocabulary, "two": vocabulary}
        with pytest.raises(ValueError, match=r"the texts 'one', 'two'\. Draw explanation\.select"):
            plotting.text(explanation, tokens=both)
        assert words_of(plotting.text(explanation.select("two"))) == ["1", "2"]
        one = plotting.text(explanation, tokens={"one": vocabulary})
        assert words_of(one) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("explanation", "options", "error", "match"),
    [
        (make_explanation(), {}, ValueError, r"Received: x float32 \(3, 6, 5, 1\)\. .*heatmaps"),
        (make_explanation((4,)), {}, ValueError, r"integers \(N, T\).*plotting\.heatmaps"),
        (make_text(), {"index": 2}, ValueError, r"index 2, but the result holds 2"),
        (make_text(), {"limit": 0}, ValueError, r"limit to be a number above 0"),
        (make_text(), {"limit": "1"}, TypeError, r"limit to be a number above 0"),
        (make_text(), {"classes": ["a"]}, ValueError, r"1 names"),
        (make_text(), {"tokens": "a"}, TypeError, r"Expected tokens as lists of words"),
        (make_text(relevance=np.full((2, 3), np.nan)), {}, ValueError, r"Only finite numbers"),
    ],
)
def test_errors_say_what_to_do(explanation, options, error, match):
    with pytest.raises(error, match=match):
        plotting.text(explanation, **options)


def test_ink_and_contrast():
    assert style.contrast("white", "black") == pytest.approx(21)
    assert style.contrast(to_rgb("#777777"), "white") == pytest.approx(4.48, abs=0.01)
    assert style.contrast("red", "white") == style.contrast("white", "red")
