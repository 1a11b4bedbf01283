"""Records in parts: cut by every kind of index, joined again, and said in one line."""

import dataclasses
import re
import types

import numpy as np
import pytest
from makers.records import COUNT, assert_same, kinds, made

import isi_keras as isi
from isi_keras import results
from isi_keras.results import fields


def several_inputs(record):
    return dataclasses.replace(
        record,
        x={"l": record.x, "r": record.x[:, None]},
        relevance={"l": record.relevance, "r": record.relevance[:, None]},
        tokens={"l": np.full(record.x.shape, "word")},
    )


CASES = [(kind, optional) for kind in kinds() for optional in (True, False)]
whatever = pytest.mark.parametrize(
    ("kind", "optional"), CASES, ids=lambda part: getattr(part, "__name__", part)
)


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_every_field_says_how_it_is_cut(kind):
    assert fields.of(kind)
    assert sum(field.axis.counts == fields.ROWS for field in fields.of(kind))


INDICES = [
    (2, [2]),
    (-1, [6]),
    (np.int64(3), [3]),
    (np.array(3), [3]),
    (slice(1, None, 2), [1, 3, 5]),
    (slice(None, None, -1), [6, 5, 4, 3, 2, 1, 0]),
    ([4, -7, 4], [4, 0, 4]),
    (np.array([0, -1], "int8"), [0, 6]),
    (np.arange(COUNT) % 3 == 0, [0, 3, 6]),
    ([True] + [False] * 6, [0]),
    ([], []),
]


@whatever
def test_rows_are_those_of_each_array(kind, optional):
    whole = made(kind, optional)
    for index, rows in INDICES:
        part = whole[index]
        assert type(part) is kind
        assert len(part) == len(rows)
        for field in fields.of(kind):
            assert_cut(field, whole, part, rows)


def assert_cut(field, whole, part, rows):
    of_whole, of_part = getattr(whole, field.name), getattr(part, field.name)
    if of_whole is None:
        assert of_part is None
    elif field.axis.counts == fields.DIVIDED:
        np.testing.assert_allclose(of_part, of_whole * len(rows) / COUNT)
    elif field.axis.counts in (fields.SHARED, fields.BOUNDED):
        assert of_part is of_whole
    elif field.axis.counts == fields.MADE:
        assert of_part == of_whole
        of_part["model"]["name"] = "another"
        assert of_whole["model"]["name"] == "made"
    elif isinstance(of_whole, dict):
        for key in of_whole:
            np.testing.assert_array_equal(of_part[key], of_whole[key][rows])
    elif field.axis.until is not None:
        longest = getattr(whole, field.axis.until)[rows].max(initial=0)
        np.testing.assert_array_equal(of_part, of_whole[rows, : longest + 1])
    else:
        np.testing.assert_array_equal(of_part, of_whole[rows])


@pytest.mark.parametrize(
    ("index", "error", "text"),
    [
        (COUNT, IndexError, r"indices from -7 to 6\. Received: 7"),
        ([0, -8], IndexError, r"indices from -7 to 6\. Received: -8"),
        (np.ones(3, bool), IndexError, r"a mask of 7 rows\. Received: one of 3"),
        (True, TypeError, r"a slice, a list or array of integers, or a mask\. Received: True"),
        (None, TypeError, r"Received: None"),
        ((0, 1), TypeError, r"Received: \(0, 1\)"),
        ("x", TypeError, r"Received: 'x'"),
        (1.0, TypeError, r"Received: 1\.0 of shape \(\) and type float64"),
        ([[0, 1]], TypeError, r"of shape \(1, 2\) and type int64"),
    ],
    ids=str,
)
def test_what_is_no_index(index, error, text):
    with pytest.raises(error, match=text):
        made(isi.AttackResult)[index]


def test_a_record_without_rows_has_none_to_give():
    with pytest.raises(IndexError, match=r"no rows\. Received: index 0"):
        made(isi.AttackResult)[[]][0]


@whatever
def test_a_loop_gives_records_of_one_row(kind, optional):
    whole = made(kind, optional)
    parts = list(whole)
    assert [len(part) for part in parts] == [1] * COUNT
    assert_same(results.Result.concatenate(parts), whole)


@whatever
def test_random_partitions_joined_are_the_whole(kind, optional, tmp_path):
    rng = np.random.default_rng(1)
    whole = made(kind, optional)
    for trial in range(8):
        cuts = np.sort(rng.integers(0, COUNT + 1, rng.integers(1, 5)))
        chosen = np.split(np.arange(COUNT), cuts)  # some are empty
        parts = [whole[rows] for rows in chosen]
        assert_same(kind.concatenate(parts), whole)
        paths = [part.save(tmp_path / f"{trial}-{n}") for n, part in enumerate(parts)]
        assert_same(results.Result.concatenate(map(results.Result.load, paths)), whole)
        order = rng.permutation(COUNT)
        shuffled = [whole[rows] for rows in np.array_split(order, 3)]
        assert_same(results.Result.concatenate(shuffled), whole[order])


def test_inputs_by_name_are_cut_and_joined_one_by_one(tmp_path):
    whole = several_inputs(_explanation())
    assert len(whole) == COUNT
    parts = [whole[:3], whole[3:]]
    assert_same(results.Result.concatenate(parts), whole)
    again = [isi.Explanation.load(p.save(tmp_path / str(n))) for n, p in enumerate(parts)]
    assert_same(results.Result.concatenate(again), whole)
    assert "x of 2 inputs" in repr(whole)
    with pytest.raises(ValueError, match=r"Expected x to have the same entries .*an array in part"):
        results.Result.concatenate([whole, _explanation()])


def _explanation():
    return dataclasses.replace(made(isi.Explanation), tokens=None)


@whatever
def test_what_is_said_is_short(kind, optional):
    text = repr(made(kind, optional))
    assert text.startswith(f"{kind.__name__}(7 rows; ")
    assert text.endswith("; made by Maker)")
    assert len(text) < 200
    assert len(text.splitlines()) == 1
    assert "(1 row; " in repr(made(kind, optional)[0])


def test_what_is_said_of_an_attack():
    x = np.zeros((8, 28, 28, 1), "float32")
    one = made(isi.AttackResult)[np.zeros(8, int)]
    found = dataclasses.replace(one, x=x, config={"class_name": "Attack", "config": {}})
    assert repr(found) == "AttackResult(8 rows; x float32 (8, 28, 28, 1); made by Attack)"
    assert repr(dataclasses.replace(found, config={})).endswith("(8, 28, 28, 1))")


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
class TestWhatCannotBeJoined:
    def test_another_configuration(self, kind):
        one = made(kind)
        config = {"class_name": "Maker", "config": {**one.config["config"], "bounds": [0.0, 2.0]}}
        text = (
            r"Expected config\['config'\]\['bounds'\] to be the same in all parts\. "
            r"Received: \[0\.0, 1\.0\] in part 0, \[0\.0, 2\.0\] in part 2"
        )
        with pytest.raises(ValueError, match=text):
            kind.concatenate([one, one, dataclasses.replace(one, config=config)])
        less = {"class_name": "Maker", "config": {"bounds": [0.0, 1.0]}}
        with pytest.raises(ValueError, match=r"config\['config'\]\['a'\].* in part 0, nothing in"):
            kind.concatenate([one, dataclasses.replace(one, config=less)])

    def test_what_is_shared(self, kind):
        one = made(kind)
        for field in fields.of(kind):
            if field.axis.counts == fields.SHARED and field.type in (str, np.ndarray):
                value = getattr(one, field.name)
                other = "channels_first" if field.type is str else value[::-1]
                with pytest.raises(ValueError, match=f"Expected {field.name} to be the same"):
                    kind.concatenate([one, dataclasses.replace(one, **{field.name: other})])

    def test_another_model(self, kind):
        one = made(kind)
        model = {**one.provenance["model"], "sha256": "f" * 64}
        other = dataclasses.replace(one, provenance={**one.provenance, "model": model})
        with pytest.raises(ValueError, match=r"provenance\['model'\]\['sha256'\] to be the same"):
            kind.concatenate([one, other])

    def test_what_only_some_have(self, kind):
        with_all, without = made(kind), made(kind, optional=False)
        with_all = dataclasses.replace(with_all, provenance=None)
        optional = [f.name for f in fields.of(kind) if f.optional and f.name != "provenance"]
        if optional:
            text = r"Expected .* (in all parts or in none|the same .*in all parts)\. Received"
            with pytest.raises(ValueError, match=text):
                kind.concatenate([with_all, without])

    def test_other_shapes_and_types(self, kind):
        one = made(kind)
        name = next(f.name for f in fields.of(kind) if f.axis.counts == fields.ROWS)
        value = getattr(one, name)
        for other in (value[:, None], value.astype("float16")):
            said = re.escape(f"{value.dtype} {value.shape}")
            text = rf"Expected {name} to have the same shape and type .*{said} in part 0"
            part = dataclasses.replace(made(kind, optional=False), **{name: other})
            with pytest.raises(ValueError, match=text):
                kind.concatenate([one, part])

    def test_no_record_or_another(self, kind):
        with pytest.raises(ValueError, match="at least one record"):
            kind.concatenate([])
        other = next(other for other in kinds() if other is not kind)
        for first in (kind, results.Result):
            text = rf"of the class {kind.__name__}\. Received: {other.__name__} as part 1"
            with pytest.raises(TypeError, match=text):
                first.concatenate([made(kind), made(other)])
        with pytest.raises(TypeError, match=rf"{kind.__name__}\. Received: {other.__name__} as"):
            kind.concatenate([made(other)])
        with pytest.raises(TypeError, match=rf"{kind.__name__}\. Received: int as part 1"):
            results.Result.concatenate([made(kind), 3])


def test_reasons_of_different_lengths_are_joined():
    one, two = made(isi.AttackResult)[:1], made(isi.AttackResult)[:1]
    one = dataclasses.replace(one, stop_reason=np.array(["success"]))
    two = dataclasses.replace(two, stop_reason=np.array(["already_target"]))
    joined = isi.AttackResult.concatenate([one, two])
    assert joined.stop_reason.tolist() == ["success", "already_target"]


def test_a_field_that_does_not_say_how_it_is_cut():
    @dataclasses.dataclass(frozen=True, eq=False, repr=False)
    class Careless:
        a: fields.Rows[np.ndarray]
        b: np.ndarray

    with pytest.raises(TypeError, match=r"'b' of Careless does not say.*Rows\[\.\.\.\], Steps"):
        fields.of(Careless)


def test_stop_reasons():
    assert [int(stop) for stop in results.Stop] == list(range(-1, 10))
    for stop in results.Stop:
        assert results.Stop.of(stop.label) is stop
        assert stop.label == stop.label.lower()
        assert stop.meaning
    assert results.Stop.MAX_STEPS.meaning == "all steps were used"
    assert isinstance(results.Stop.SUCCESS, int)


def sweep(**changes):
    """Three samples of classes 0, 1, 2; the second is misclassified. Rows by sample."""
    inf, nan = np.inf, np.nan
    values = {
        "classes": np.array(["a", "b", "c"]),
        "budgets": np.array([0.1, 0.2]),
        "source": np.array([0, 0, 1, 1, 2, 2]),
        "target": np.array([1, 2, 0, 2, 0, 1]),
        "min_budget": np.array([0.1, 0.2, inf, inf, 0.1, inf]),
        "distortion": np.array([0.1, 0.15, nan, nan, 0.05, 0.2]),
        "distance": np.array([0.5, 0.6, nan, nan, 0.7, 0.8]),
        "distance_single": None,
        "seconds": 1.0,
        "config": {"class_name": "hardness", "config": {"measure": "l0"}},
        "sample": np.repeat(np.arange(3), 2),
        "stop_reason": np.array(
            ["success", "success", "misclassified", "misclassified", "success", "max_steps"]
        ),
    }
    return isi.HardnessResult(**{**values, **changes})


class TestMisclassifiedSamplesOfASweep:
    def test_nothing_counts_them(self):
        found = sweep()
        attempts = found[found.attempted]
        assert (len(found), len(attempts), found.samples, found.misclassified) == (6, 4, 3, 1)
        for one, other in (
            (found.count(), attempts.count()),
            (found.success_rate(), attempts.success_rate()),
            (found.mean_distortion(), attempts.mean_distortion()),
            (found.hardness(), attempts.hardness()),
            (found.adversarial_distance(), attempts.adversarial_distance()),
            (found.robustness(statistic="mean"), attempts.robustness(statistic="mean")),
            (found.succeeds_within()[found.attempted], attempts.succeeds_within()),
        ):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(found.count(), [[0, 1, 1], [0, 0, 0], [1, 1, 0]])
        assert np.isnan(found.success_rate()[1]).all()
        assert found.robustness() == 0.5
        assert found.measure == "l0"

    def test_parts_know_their_samples(self):
        found = sweep()
        assert [(part.samples, part.misclassified) for part in (found[:3], found[2:4])] == [
            (2, 1),
            (1, 1),
        ]
        assert np.isnan(found[2:4].robustness())
        assert_same(isi.HardnessResult.concatenate([found[:3], found[3:]]), found)

    def test_both_or_neither(self):
        with pytest.raises(ValueError, match="both sample and stop_reason, or neither"):
            sweep(sample=None)


def test_records_are_not_made_of_unions_that_are_not_understood():
    """`fields.of` takes `X | None` apart and keeps every other type whole."""
    for kind in kinds():
        for field in fields.of(kind):
            assert not isinstance(field.type, types.UnionType), (kind, field)


def test_versions_that_differ_are_all_told():
    one = made(isi.FlippingResult)
    versions = {"isi_keras": "1.1", "keras": "3.15.1", "jax": "0.9"}
    model = {**one.provenance["model"], "name": "made_1"}
    other = dataclasses.replace(
        one, provenance={"model": model, "backend": "jax", "versions": versions}
    )
    found = isi.FlippingResult.concatenate([one, other, one]).provenance
    assert found["model"] == one.provenance["model"]
    assert found["backend"] == "torch, jax"
    assert found["versions"] == {
        "isi_keras": "1.0, 1.1",
        "keras": "3.15.1",
        "torch": "2.13.0+cpu",
        "jax": "0.9",
    }
    unknown = dataclasses.replace(one, provenance=None)
    assert isi.FlippingResult.concatenate([one, unknown]).provenance is None
