"""What a report says in numbers, and that it is one file of text that cannot be broken out of."""

import dataclasses
import html.parser
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from makers.commands import run
from makers.reports import HOSTILE, make_page, make_records
from makers.results import make_attack, make_ensemble, make_explanation, make_text

import isi_keras as isi
from isi_keras.reporting import parts
from isi_keras.results import Result
from isi_keras.results.intervals import wilson

pytestmark = pytest.mark.once


class Parsed(html.parser.HTMLParser):
    """The elements of a page with what they ask for, and its data."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.data, self.at = [], [], "", None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        self.links += [attributes[name] for name in ("src", "href") if name in attributes]
        self.at = attributes.get("id") if tag == "script" else self.at

    def handle_endtag(self, tag):
        self.at = None if tag == "script" else self.at

    def handle_data(self, data):
        if self.at == "data":
            self.data += data


@pytest.fixture(scope="module")
def page():
    return make_page()


@pytest.fixture(scope="module")
def parsed(page):
    return Parsed(page.html)


def test_names_stay_text_and_nothing_is_linked(page, parsed):
    assert parsed.tags.count("script") == 2
    assert "img" not in parsed.tags
    assert "i" not in parsed.tags
    assert all(link.startswith(("#", "data:")) for link in parsed.links)
    assert "innerHTML" not in page.html
    assert HOSTILE not in page.html
    assert json.loads(parsed.data)["results"][0]["classes"]["1"] == HOSTILE
    assert "<b>" not in page.to_markdown()


def test_samples_are_what_the_results_hold(parsed):
    shown = {part["label"]: part for part in json.loads(parsed.data)["results"]}
    record = make_records()["l0"]
    part = shown["l0"]
    assert part["columns"]["l0_feature"] == list(range(1, 13))
    assert part["columns"]["outcome"] == [1, 1, 0, *[1] * 8, -1]
    sample = part["depth"]["3"]
    classes, values = sample["logits"]["classes"], sample["logits"]["values"]
    assert classes[:2] == [3, 0]
    np.testing.assert_allclose(values, record.trajectory[3, :5][:, classes])
    assert {entry["label"] for entry in sample["maps"]} == {"maps"}
    features = shown[HOSTILE]["depth"]["0"]["features"]
    assert [row[0] for row in features] == shown["why"]["names"]
    assert features[0][0] == "column <i>0</i>"
    rules = [row[4] if len(row) > 4 else "" for row in features]
    whole = ["whole numbers, may rise only", "whole numbers"]
    assert rules == ["frozen", *whole, "steps of 0.5", "", "", "one-hot", "one-hot"]
    assert "order" not in shown["best"]["depth"]["0"]


def test_numbers_are_those_of_evaluate():
    result = make_records()["l0"]
    found = result.report().sections[0].metrics
    report = isi.evaluate(result)
    assert found["success_rate"] == report.success_rate
    assert (found["robust_accuracy_low"], found["robust_accuracy_high"]) == wilson(
        report.robust_accuracy, 12
    )
    assert found["l2_mean_success"] == report.measures["l2"].mean_success
    assert json.loads(result.report().to_json())["results"][0]["metrics"]["samples"] == 12


def test_which_model_it_is_of_is_said(page):
    told = page.about["model: l0"]
    assert (
        told == f"{HOSTILE}, 7 parameters, SHA-256 0123456789ab (of its architecture and weights)"
    )
    nothing = "model: maps, why, text, best, sweep, flipping, random"
    assert page.about[nothing] == "not recorded in the results"
    versions = page.about[f"computed with: l0, {HOSTILE}"]
    assert versions == "isi_keras 1.0, keras 3.15.1, torch 2.13.0+cpu (backend torch)"
    attack = make_records()["l0"]
    one = isi.report([attack, attack])
    assert one.about["model"] == told
    assert told.replace("<", "&lt;") in one.to_markdown()
    assert json.loads(one.to_json())["results"][0]["provenance"] == attack.provenance


def test_a_curve_is_the_robust_accuracy_at_its_corners():
    result = make_records()["l0"]
    (chart,) = result.report().sections[0].charts
    curve = chart.curves[0]
    expected = isi.evaluation.robust_within(result, curve.x)
    np.testing.assert_allclose(curve.y, expected)
    assert "1 attack ended without success" in chart.notes[1]


@pytest.mark.parametrize(
    ("threshold", "value", "passed"),
    [
        ("success_rate>=90%", 10 / 11, True),
        ("robust_accuracy_at_4>=0.7", 8 / 12, False),
        ("robust_accuracy_at_4_low>0.6", wilson(8 / 12, 12)[0], False),
        ("robust_accuracy_at_2_linf<=1", 1 / 12, True),
        ("l0: steps < 100", 78 / 12, True),
    ],
)
def test_thresholds(threshold, value, passed):
    page = isi.report({"l0": make_records()["l0"]})
    (outcome,) = page.check(threshold)
    if "steps" not in threshold:
        np.testing.assert_allclose(outcome.value, value)
    assert outcome.passed == passed
    assert passed or f"MISSED by {abs(value - outcome.wanted):.6g}" in str(outcome)


def test_a_threshold_beyond_what_was_tried_says_so():
    (outcome,) = isi.report(make_records()["l0"]).check("robust_accuracy_at_4>=0")
    assert "upper bound: some attacks ended without success before" in str(outcome)


@pytest.mark.parametrize(
    ("threshold", "text"),
    [
        ("robust_accuracy=0.5", "Expected a threshold as NAME>=NUMBER"),
        ("robust_acuracy>=0.5", "Did you mean 'robust_accuracy'"),
        ("robust_accuracy>=half", "'half' is not a number"),
        ("other:steps>1", "Unknown result: 'other'"),
    ],
)
def test_thresholds_that_cannot_be_read(threshold, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        isi.report({"best": make_ensemble()}).check(threshold)


def test_undefined_numbers_pass_nothing():
    idle = make_attack(
        samples=2, stop_reason=np.full(2, "misclassified"), success=np.zeros(2, bool)
    )
    outcomes = isi.report(idle).check("success_rate>=0", "success_rate<=1")
    assert [outcome.passed for outcome in outcomes] == [False, False]


def test_results_by_label_in_parts_and_alike():
    result = make_attack()
    parts = (result[[0, 1]], result[[2, 3, 4]])
    labels = [section.label for section in isi.report([result, iter(parts)]).sections]
    assert labels == ["Attack(L0)", "Attack(L0) (2)"]
    assert len(isi.report(iter(parts)).sections[0].record) == 5


@pytest.mark.parametrize(
    ("results", "error", "text"),
    [
        ([], ValueError, "at least one result"),
        ([3], TypeError, "Expected a result, or the parts of one"),
        (make_attack()[[]], ValueError, "has no samples"),
    ],
)
def test_what_is_no_result(results, error, text):
    with pytest.raises(error, match=text):
        isi.report(results)


def test_many_samples_are_thinned_and_it_says_so():
    result = Result.concatenate([make_attack()] * 300)
    page = isi.report(result, megabytes=0.4)
    assert len(page.html) < 400_000
    said = re.search(r"steps of (\d+) of 1500 samples are kept", page.html)
    assert said is not None
    assert 5 < int(said[1]) <= 600
    assert page.sections[0].metrics["samples"] == 1500
    with pytest.raises(ValueError, match="megabytes"):
        isi.report(result, megabytes=0)


def test_what_cannot_be_replayed_says_so():
    config = {"class_name": "Attack", "config": {"bounds": [-1, 1], "norm": _linf()}}
    result = make_attack(config=config, trajectory=None)
    (data,) = json.loads(Parsed(result.report().html).data)["results"]
    sample = data["depth"]["0"]
    assert "order" not in sample
    assert "may have changed more than once" in sample["unknown"]
    assert "trajectory=True" in sample["why"]


def _linf():
    return {"class_name": "Linf", "config": {"relative": True}}


def test_inputs_that_are_not_finite_are_drawn():
    result = make_attack()
    adversarial = result.adversarial.copy()
    adversarial[0, 0, 0] = np.nan
    page = dataclasses.replace(result, adversarial=adversarial).report()
    assert "NaN" not in Parsed(page.html).data


def test_maps_of_other_inputs_are_not_shown_with_an_attack():
    page = isi.report([make_attack(), make_explanation(samples=5, seed=3)])
    attack, maps = json.loads(Parsed(page.html).data)["results"]
    assert all(not sample["maps"] for sample in attack["depth"].values())
    assert all(len(sample["maps"]) == 1 for sample in maps["depth"].values())


def test_a_notebook_shows_it(page):
    shown = page._repr_html_()
    assert shown.startswith("<iframe")
    assert HOSTILE not in shown


class TestCommand:
    @pytest.fixture(autouse=True)
    def _saved(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        make_records()["l0"].save("l0.npz")
        make_ensemble().save("best.npz")

    def test_it_writes_a_page(self):
        assert "report: report.html" in run("report", "l0.npz", "best.npz", "--model", "l0.npz")
        text = Path("report.html").read_text()
        assert "SHA-256 of best.npz" in text
        assert "l0.npz, SHA-256" in text

    def test_other_formats_are_printed(self):
        assert json.loads(run("report", "l0.npz", "--format", "json"))["results"]
        assert "| success_rate | 0.909091 |" in run("report", "l0.npz", "--format", "md")
        run("report", "l0.npz", "-o", "numbers.json")
        assert json.loads(Path("numbers.json").read_text())["results"][0]["label"] == "l0"

    def test_a_missed_threshold_is_exit_1(self):
        said = run("report", "l0.npz", "--check", "robust_accuracy_at_4>=0.9", code=1)
        assert "MISSED by 0.233333" in said
        assert "MISSED" in Path("report.html").read_text()
        run("report", "l0.npz", "--check", "robust_accuracy_at_4>=0.5")

    def test_wrong_use_is_said(self):
        assert "ends in .html, .md or .json" in run("report", "l0.npz", "-o", "a.pdf", code=2)
        run("report", "l0.npz", "--label", "a", "--label", "b", code=2)


def test_no_backend_is_imported(tmp_path):
    make_attack().save(tmp_path / "a.npz")
    code = (
        "import sys; from isi_keras.cli.commands import app;"
        f"app(['report', {str(tmp_path / 'a.npz')!r}], standalone_mode=False);"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch', 'seaborn'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_names_can_be_read():
    """One that would turn its neighbours round is written out, an empty one is its number."""
    classes = ["\u202eturned", "", *map(str, range(2, 10))]
    assert "\u202e" not in make_attack(samples=4).report(classes=classes).html
    assert parts.legible(classes)[:3] == ["\\u202eturned", "1", "2"]


def test_the_title_says_what_is_shown():
    turned, alone = make_attack(samples=4).report().html, isi.report(make_explanation()).html
    assert "<title>How few inputs overturn the decisions" in turned
    assert "<title>What the decisions rest on" in alone
    assert "Wilson" in turned
    assert "Wilson" not in alone


def test_a_text_that_cannot_be_shown_is_said_to_be():
    text = make_text()
    text.relevance[0, 0] = np.nan
    found = isi.report(text).to_dict()["results"][0]
    assert found["notes"][0].startswith("A text is not shown. Only finite numbers can be drawn.")
