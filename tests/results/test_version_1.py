"""Files that format version 1 saved, as they are read today."""

import json

import numpy as np
import pytest
from makers.paths import GOLDEN

import isi_keras as isi
from isi_keras import _component, attacks, indicators

FILES = sorted((GOLDEN / "version-1").glob("*.npz"))
RENAMED = {"label": "clean_prediction", "stop": "stop_reason", "needed": "min_budget"}


def raw(path):
    with np.load(path) as data:
        return {name: data[name] for name in data.files}


def entry_of(record, name):
    field, _, key = name.partition("/")
    value = getattr(record, RENAMED.get(field, field))
    return value[key] if key else value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_value_is_there(path, tmp_path):
    arrays = raw(path)
    assert json.loads(str(arrays.pop("__header__")))["version"] == 1
    arrays.pop("config")
    record = isi.Result.load(path)
    again = isi.Result.load(record.save(tmp_path / "again"))
    for found in (record, again):
        for name, array in arrays.items():
            np.testing.assert_array_equal(entry_of(found, name), array)
        assert found.config == record.config
    if isinstance(record, isi.AttackResult | isi.Explanation):
        assert record.data_format == "channels_last"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_parts_joined_are_the_whole(path):
    whole = isi.Result.load(path)
    parts = [whole[:2], whole[2:3], whole[3:]]
    joined = type(whole).concatenate(parts)
    arrays = raw(path)
    for name in set(arrays) - {"__header__", "config", "seconds"}:
        np.testing.assert_array_equal(entry_of(joined, name), arrays[name])


def named(stem):
    return isi.Result.load(next(path for path in FILES if path.stem == stem))


@pytest.mark.parametrize("stem", ["attack", "attack-targeted", "jsma"])
def test_an_old_part_joins_a_new_one(stem):
    """A configuration of version 1 is read as one that is saved today."""
    old = named(stem)
    assert _component.serialize(attacks.get(old.config)) == old.config
    assert len(isi.Result.concatenate([old, old])) == 2 * len(old)


class TestTheMakerIsBuiltBack:
    def test_attack(self):
        result = named("attack")
        attack = _component.get(result.config, isi.Attack, {})
        assert (type(attack), attack.max_steps, attack.norm.features) == (isi.Attack, 9, 2)
        assert attack.indicator == isi.Relevance("z")
        assert attack.norm.unit == "position"
        np.testing.assert_array_equal(attack.bounds, result.bounds)

    def test_attack_with_a_target(self):
        attack = _component.get(named("attack-targeted").config, isi.Attack, {})
        expected = isi.Attack(
            "sensitivity", isi.Linf(0.06, relative=False), 4, bounds=(-1, 1), stop_when="turned"
        )
        assert attack == expected

    def test_jsma(self):
        attack = _component.get(named("jsma").config, isi.JSMA, {})
        assert (type(attack), attack.theta, attack.gamma) == (isi.JSMA, 2.0, 0.4)
        assert attack.unit == "position"

    def test_hardness(self):
        found = named("hardness")
        assert found.config["class_name"] == "hardness"
        attack = _component.get(found.config["config"]["attack"], isi.JSMA, {})
        assert attack == isi.JSMA(theta=2.0, bounds=(-1, 1), relative=False)

    @pytest.mark.parametrize(
        ("stem", "indicator"),
        [("explanation", isi.Relevance("epsilon_plus")), ("explanation-two-inputs", "relevance")],
    )
    def test_indicator(self, stem, indicator):
        assert indicators.get(named(stem).config) == indicators.get(indicator)

    def test_functions(self):
        flipping, randomisation = named("flipping"), named("randomisation")
        assert flipping.config["class_name"] == "pixel_flipping"
        assert (flipping.config["config"]["order"], flipping.config["config"]["seed"]) == (
            "random",
            3,
        )
        assert randomisation.config["class_name"] == "parameter_randomisation"
        of_maps = indicators.get(flipping.config["config"]["indicator"])
        assert of_maps == isi.Relevance("epsilon_plus")
        assert indicators.get(randomisation.config["config"]["indicator"]) == isi.Sensitivity()


@pytest.mark.parametrize("stem", ["attack", "attack-targeted", "jsma"])
def test_an_attack_is_evaluated(stem):
    result = named(stem)
    report = isi.evaluate(result)
    changed = (result.adversarial != result.x)[result.attacked]
    pixels = changed.any(-1).sum((1, 2))
    assert report.attacked == len(changed)
    assert report.successes == result.success.sum()
    won = result.success[result.attacked]
    np.testing.assert_allclose(report.measures["l0_position"].mean_success, pixels[won].mean())
    assert "l0_position counts pixels (channels_last)" in str(report)


def test_a_sweep_is_counted_as_a_whole():
    found = named("hardness")
    assert (found.samples, found.misclassified, found.measure) == (7, 1, "l0")
    assert found.attempted.all()
    assert found.count().sum() == len(found) == 12
    assert 0 <= found.robustness() <= 1
    with pytest.raises(ValueError, match=r"How many samples there were is known of the whole"):
        _ = found[:3].samples
