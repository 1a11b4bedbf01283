"""Bounds that are given for each sample go with the rows of a record."""

import dataclasses
import re

import numpy as np
import pytest
from makers.records import COUNT, assert_same, made

import isi_keras as isi
from isi_keras._component import serialize
from isi_keras.reporting import tables
from isi_keras.results import Result

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)
LOW = RNG.uniform(-2, -1, (COUNT, 3, 2)).astype("float32")
HIGH = RNG.uniform(1, 2, (COUNT, 3, 2)).astype("float32")
MUTABLE = RNG.integers(0, 2, (COUNT, 3, 2)).astype(bool)
DIRECTION = RNG.integers(-1, 2, (COUNT, 3, 2))
DOMAIN = isi.Domain(LOW, 2, mutable=MUTABLE, direction=DIRECTION, integer=[True, False])
FORMS = {
    "pair": (LOW, HIGH),
    "one-sided": (np.float32(-3), HIGH),
    "domain": DOMAIN,
    "alike": isi.Domain(np.repeat(LOW[:1], COUNT, 0), 2),
}
INDICES = [2, slice(1, None, 2), [4, -7, 4], np.arange(COUNT) % 3 == 0]


def record_of(bounds, kind=isi.AttackResult):
    """A record of which the bounds are known."""
    one, settings = made(kind, optional=False), {"bounds": serialize(bounds)}
    if kind is isi.RobustnessResult:
        attack = {"class_name": "Attack", "config": settings}
        settings = {"measure": "l2", "attacks": {"a": attack, "b": attack}}
    return dataclasses.replace(one, config={"class_name": "Attack", "config": settings})


@pytest.mark.parametrize("kind", [isi.AttackResult, isi.RobustnessResult])
@pytest.mark.parametrize("form", FORMS)
def test_they_are_cut_and_joined_as_the_rows_are(form, kind, tmp_path):
    whole = record_of(FORMS[form], kind)
    known = tables.domain_of(whole)
    for index in INDICES:
        part, rows = whole[index], np.atleast_1d(np.arange(COUNT)[index])
        for record in (part, Result.load(part.save(tmp_path / "part"))):
            own = tables.domain_of(record)
            for word in ("low", "high", "mutable", "direction", "integer"):
                found, given = getattr(own, word), getattr(known, word)
                wanted = given[rows] if np.ndim(given) == 3 else given
                np.testing.assert_array_equal(found, wanted)
            own.fit(record.x.shape)
    for parts in (
        [whole[:3], whole[3:]],
        [whole[:0], whole[:1], whole[1:1], whole[1:]],
        [whole[:2], whole[2:4], whole[4:6], whole[6:]],
    ):
        assert_same(kind.concatenate(parts), whole)
    assert_same(kind.concatenate([whole[4:], whole[:4]]), whole[[4, 5, 6, 0, 1, 2, 3]])
    if form != "alike":  # nobody could tell from rows of equal bounds that they were given for each
        assert_same(kind.concatenate(list(whole)), whole)
    nothing = whole[[]]
    tables.domain_of(nothing).fit(nothing.x.shape)
    assert_same(kind.concatenate([nothing, nothing]), nothing)


def test_columns_of_a_report_say_what_the_sample_may_become():
    whole = record_of(DOMAIN)
    said = [tables.rules_of(whole, row) for row in range(COUNT)]
    assert len({tuple(each.items()) for each in said}) > 1
    assert [tables.rules_of(whole[2:4], row) for row in (0, 1)] == said[2:4]


def test_a_sample_that_nothing_can_change_has_bounds():
    low = LOW.copy()
    low[3] = HIGH[3]
    np.testing.assert_array_equal(record_of((low, HIGH))[3].domain.low, low[3:4])


def test_bounds_of_other_samples_are_refused(tmp_path):
    whole = record_of(DOMAIN)
    for path, wrong in (  # as earlier versions cut them
        ("a", dataclasses.replace(whole[2:4], config=whole.config)),
        ("b", dataclasses.replace(record_of(DOMAIN, isi.RobustnessResult)[2:4])),
    ):
        if path == "b":
            config = record_of(DOMAIN, isi.RobustnessResult).config
            wrong = dataclasses.replace(wrong, config=config)
        text = r"low of the bounds for each of 2 samples, or one for all\. Received: 7"
        with pytest.warns(UserWarning, match=text):
            wrong.save(tmp_path / path)
        with pytest.raises(ValueError, match=text):
            Result.load(tmp_path / f"{path}.npz")
        with pytest.raises(ValueError, match=text):
            wrong[0]
    with pytest.raises(ValueError, match=re.escape("config['config']['bounds'] to")):
        isi.AttackResult.concatenate([whole, record_of((LOW, HIGH))])
    other = record_of(dataclasses.replace(DOMAIN, integer=[False, True]))
    with pytest.raises(ValueError, match=re.escape("['integer'] to be the same in all parts")):
        isi.AttackResult.concatenate([whole, other])
    with pytest.raises(ValueError, match=re.escape("['bounds'] to be the same in all parts")):
        isi.AttackResult.concatenate([record_of((0, 1)), record_of((0, 2))])
