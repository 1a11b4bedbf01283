"""Coloured text for a browser: well-formed, escaped, and legible on any page."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from makers.results import CLASSES, make_text

from isi_keras import plotting
from isi_keras.plotting import style
from isi_keras.plotting.explanation import _tokens

MINUS = "\N{MINUS SIGN}"


class Reader(HTMLParser):
    """The elements of a fragment with their attributes and texts; every tag has to be closed."""

    def __init__(self, fragment):
        super().__init__()
        self.open, self.found = [], []
        self.feed(fragment)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", **dict(attrs)}
        self.found.append(element)
        if tag not in ("br", "meta"):
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag):
        return [element for element in self.found if element["tag"] == tag]

    def tokens(self):
        return [element for element in self.all("span") if "title" in element]


def css(element):
    return dict(part.split(":", 1) for part in element["style"].split(";") if part)


def test_tokens_with_their_numbers_and_colours():
    explanation = make_text("a fine film", "no")
    page = Reader(plotting.text_html(explanation, classes=CLASSES))
    assert len(page.all("figure")) == 2
    assert [token["text"] for token in page.tokens()] == ["a", "fine", "film", "no"]
    titles = [token["title"] for token in page.tokens()]
    assert titles == ["a: +0.100", f"fine: {MINUS}0.200", "film: +0.300", "no: +0.100"]
    colors = [color for n in (0, 1) for color in _tokens.read(explanation, n, [""], None).colors()]
    assert [css(token)["background"] for token in page.tokens()] == colors
    captions = [caption["text"] for caption in page.all("figcaption")]
    assert captions[1] == "predicted cat, explained automobile, logit 11.3"
    assert page.all("p")[0]["text"] == "a fine film"


def test_every_text_can_be_read_on_its_own_background():
    """Whatever the page has: each says its ink, and lies on white or on its own colour."""
    words = " ".join(["word", "[CLS]", "##x"] * 9)
    page = Reader(plotting.text_html(make_text(words, relevance=np.linspace(-1, 1, 27)[None])))
    for token in page.tokens():
        assert style.contrast(css(token)["color"], css(token)["background"]) >= 4.5
    cells = page.all("td") + page.all("th")
    for element in [*cells, *page.all("figure")]:
        assert css(element)["background"] == "#fff"
    for element in [*cells, *page.all("figure"), *page.all("figcaption"), *page.all("details")]:
        assert style.contrast(css(element)["color"], "white") >= 4.5
    assert css(page.all("figure")[0])["color-scheme"] == "light"


def test_numbers_for_those_who_do_not_see_colours():
    page = Reader(plotting.text_html(make_text("a fine film")))
    rows = [row["text"] for row in page.all("tr")]
    assert rows == ["tokenrelevance", "a+0.100", f"fine{MINUS}0.200", "film+0.300"]
    assert {head["scope"] for head in page.all("th")} == {"col"}
    (scale,) = [element for element in page.found if element.get("role") == "img"]
    assert scale["aria-label"] == f"relevance: blue is {MINUS}0.30, white 0, red +0.30"


def test_nothing_is_taken_for_markup():
    words = ["<script>alert(1)</script>", '"><b>', "&amp;", "'x'", "</figure>"]
    classes = ["<i>", "&", '"', "</figcaption>"]
    page = Reader(plotting.text_html(make_text(" ".join(words)), classes=classes))
    assert not page.all("script") + page.all("b") + page.all("i")
    assert [token["text"] for token in page.tokens()] == words
    titles = [token["title"].rpartition(":")[0] for token in page.tokens()]
    assert titles == words
    assert page.all("figcaption")[0]["text"].startswith("predicted </figcaption>, explained <i>")


def test_nothing_is_loaded():
    fragment = plotting.text_html(make_text("a fine film"))
    assert not re.search(r"https?:|url\(|<style|<script|<link|\bid=|\bclass=", fragment)


def test_pieces_and_lines():
    page = Reader(plotting.text_html(make_text("Un Ġk iller Ċ Ġend")))
    assert page.all("p")[0]["text"] == "Un killer↵end"
    assert len(page.all("br")) == 1
    titles = [token["title"].rpartition(":")[0] for token in page.tokens()]
    assert titles == ["Un", "Ġk", "iller", "Ċ", "Ġend"]


def test_any_script(tmp_path):
    words = "你好 שלום 😀 नमस्ते \ud800"
    path = plotting.text_html(make_text(words), path=tmp_path / "t")
    page = Reader(path.read_text("utf-8"))
    assert [token["text"] for token in page.tokens()] == [*words.split(" ")[:4], "\ufffd"]
    assert page.all("p")[0]["dir"] == "auto"
    assert page.all("meta")[0]["charset"] == "utf-8"


def test_limits():
    def scale(fragment):
        return re.findall(r'aria-label="(.*?)"', fragment)

    explanation = make_text("a fine film", "no")
    own = [f"relevance: blue is {MINUS}{n}, white 0, red +{n}" for n in ("0.30", "0.10")]
    assert scale(plotting.text_html(explanation)) == own
    beyond, within = scale(plotting.text_html(explanation, limit=0.2))
    assert beyond == f"relevance: blue is {MINUS}0.20 or less, white 0, red +0.20 or more"
    assert within == f"relevance: blue is {MINUS}0.20, white 0, red +0.20"


def test_which_samples():
    explanation = make_text(*map(str, range(20)))
    texts = [p["text"] for p in Reader(plotting.text_html(explanation)).all("p")]
    assert texts == [str(number) for number in range(12)]
    picked = plotting.text_html(explanation, [3, 17])
    assert [p["text"] for p in Reader(picked).all("p")] == ["3", "17"]
    mask = np.arange(20) == 5
    assert Reader(plotting.text_html(explanation, mask)).all("p")[0]["text"] == "5"
    with pytest.raises(ValueError, match=r"index 20, but the result holds 20"):
        plotting.text_html(explanation, [20])


def test_notes():
    relevance = np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]])
    explanation = make_text("a fine film", "no", relevance=relevance)
    texts = [p["text"] for p in Reader(plotting.text_html(explanation)).all("p")]
    assert texts == ["a fine film", "no", "Left out: 2 tokens, relevance +0.50."]
    ids = Reader(plotting.text_html(make_text("a b", tokens=None)))
    assert [p["text"] for p in ids.all("p")] == ["1 2", "The numbers are token ids."]


def test_a_notebook_shows_it():
    fragment = plotting.text_html(make_text())
    assert isinstance(fragment, str)
    assert fragment._repr_html_() == str(fragment)
    assert type(fragment._repr_html_()) is str


def test_a_file(tmp_path):
    path = plotting.text_html(make_text(), path=tmp_path / "folder" / "text")
    assert path == tmp_path / "folder" / "text.html"
    written = path.read_text("utf-8")
    assert written.startswith("<!DOCTYPE html>")
    assert plotting.text_html(make_text()) in written
    with pytest.raises(ValueError, match=r"A page is an \.html\. Received: 'text\.png'"):
        plotting.text_html(make_text(), path="text.png")
