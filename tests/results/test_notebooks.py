"""What notebooks show of results, attacks and reports; numbers by class and as a table."""

import numpy as np
import pytest
from makers.results import make_attack, make_ensemble, make_explanation

import isi_keras as isi

pytestmark = pytest.mark.once


def test_results_are_tables_of_their_fields():
    shown = make_attack()._repr_html_()
    assert shown.startswith("<table")
    assert "float32 (5, 6, 5, 1)" in shown
    assert "AttackResult(5 rows" in shown
    assert "Relevance" in make_explanation()._repr_html_()


def test_what_is_text_stays_text():
    result = make_attack(config={"class_name": "<b>", "config": {"bounds": (-1, 1)}})
    assert "<b>" not in result._repr_html_()


def test_attacks_are_tables_of_their_options():
    shown = isi.Attack("relevance", isi.L2(features=5))._repr_html_()
    assert "max_steps" in shown
    assert "L2(" in shown
    assert "epsilon" in isi.rules.Flat()._repr_html_()


def test_reports_are_tables():
    report = isi.evaluate(make_attack(y=np.zeros(5, int)))
    assert "median, turned" in report._repr_html_()
    assert "best of all" in isi.evaluate(make_ensemble())._repr_html_()


def test_classes_add_up_to_the_whole():
    y = np.array([0, 1, 1, 3, 0])
    report = isi.evaluate(make_attack(y=y))
    zero, one, three = report.classes
    assert [line.number for line in report.classes] == [0, 1, 3]
    assert (zero.samples, zero.attacked, zero.successes) == (2, 2, 2)
    assert (zero.clean_accuracy, one.clean_accuracy, three.clean_accuracy) == (1, 0.5, 1)
    assert zero.robust_accuracy == 0
    assert zero.median_l0 == 3  # 1 and 5 inputs
    assert sum(line.successes for line in report.classes) == report.successes
    assert isi.evaluate(make_attack()).classes[0].clean_accuracy is None


def test_a_class_that_was_not_attacked_has_no_rate():
    stops = np.array(["misclassified", *["success"] * 4])
    success = stops == "success"
    report = isi.evaluate(make_attack(y=np.arange(5), stop_reason=stops, success=success))
    assert np.isnan(report.classes[0].success_rate)
    assert np.isnan(report.classes[0].median_l0)


def test_frames():
    pytest.importorskip("pandas")
    report = isi.evaluate(make_attack(y=np.arange(5) % 4))
    frame = report.to_frame()
    assert frame.loc["l2", "mean_success"] == report.measures["l2"].mean_success
    assert report.to_frame("class").loc[0, "samples"] == 2
    with pytest.raises(ValueError, match="Unknown by: 'classes'"):
        report.to_frame("classes")
