"""Components of the user's own: registered when defined, and built back by name."""

import dataclasses
import json
import sys
import types
from typing import Any

import keras
import numpy as np
import pytest
from makers.networks import images, small_network

import isi_keras as isi
from isi_keras import _component, attacks, composites, indicators, norms, rules
from isi_keras.results import Stop

MODULE = """
import dataclasses
from isi_keras.norms import L0, Move, Norm
from isi_keras.rules import Epsilon, Rule


@dataclasses.dataclass(frozen=True, eq=False)
class Few(Norm):
    many: int = 1

    def move(self, significance, step):
        return L0(self.many).move(significance, step)


@dataclasses.dataclass(frozen=True, eq=False)
class Plain(Rule):
    epsilon: float = 1e-3
    bias: bool = True

    def parts(self, linear):
        return Epsilon(self.epsilon, self.bias).parts(linear)
"""


def imported(name, text=MODULE):
    """What importing a module of this text does."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(text, name, "exec"), module.__dict__)
    return module


@pytest.fixture
def fresh(monkeypatch):
    """Registers for this test alone."""
    monkeypatch.setattr(
        _component,
        "_registered",
        {kind: dict(known) for kind, known in _component._registered.items()},
    )
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.usefixtures("fresh")
class TestOfTheUsersOwn:
    def test_a_norm_and_a_rule_survive_json_and_a_file(self, tmp_path):
        own = imported("own_module")
        rule = composites.Composite({"convolution": own.Plain(0.01)}, first=own.Plain())
        attack = isi.Attack(isi.Relevance(rule), own.Few(2), max_steps=3)
        text = json.dumps(_component.serialize(attack))
        assert _component.get(json.loads(text), isi.Attack, {}) == attack
        result = attack(small_network(), images(4))
        again = isi.AttackResult.load(result.save(tmp_path / "a"))
        built = _component.get(again.config, isi.Attack, {})
        assert built == attack
        assert type(built.norm) is own.Few
        assert type(built.indicator.rule.first) is own.Plain
        twin = isi.Attack(isi.Relevance(rule), isi.L0(2), max_steps=3)(small_network(), images(4))
        np.testing.assert_array_equal(result.adversarial, twin.adversarial)

    def test_an_indicator_comes_back_from_an_explanation(self):
        @dataclasses.dataclass(frozen=True, eq=False)
        class Mine(isi.Sensitivity):
            times_input: bool = True

        found = isi.explain(small_network(), images(2), indicator=Mine())
        assert type(indicators.get(found.config)) is Mine

    def test_before_its_module_is_imported(self):
        config = {"class_name": "Few", "config": {"many": 3}}
        text = r"Unknown norm: 'Few'.*'L0'.*known once the module that defines it is imported"
        with pytest.raises(ValueError, match=text):
            norms.get(config)
        imported("own_module")
        assert norms.get(config).many == 3

    def test_a_class_defined_again_takes_its_place(self):
        one, two = imported("own_module"), imported("own_module")
        assert one.Few is not two.Few
        assert type(norms.get({"class_name": "Few"})) is two.Few

    def test_two_classes_of_one_name_need_their_path(self):
        one, two = imported("own_module"), imported("other_module")
        text = r"Several classes are called 'Few': own_module\.Few, other_module\.Few\. Say which"
        with pytest.raises(ValueError, match=text):
            norms.get({"class_name": "Few"})
        assert type(norms.get({"class_name": "own_module.Few"})) is one.Few
        assert type(norms.get({"class_name": "other_module.Few"})) is two.Few

    def test_the_name_of_one_of_ours_is_not_taken_silently(self):
        """Ours keeps its name, in files too; the other goes by its path."""
        own = imported("own_module", MODULE.replace("class Few", "class L2")).L2()
        config = _component.serialize(own)
        assert config["class_name"] == "own_module.L2"
        assert norms.get(json.loads(json.dumps(config))) == own
        assert norms.get(_component.serialize(isi.L2(3))) == isi.L2(3)
        assert _component.serialize(isi.L2())["class_name"] == "L2"

    def test_bases_are_not_registered(self):
        assert not {"Norm", "Rule", "Indicator"} & {
            kind.__name__ for known in _component._registered.values() for kind in known.values()
        }


def test_kinds_are_kept_apart():
    with pytest.raises(ValueError, match="Unknown rule: 'L0'"):
        rules.get({"class_name": "L0"})
    with pytest.raises(ValueError, match="Unknown norm: 'Epsilon'"):
        norms.get({"class_name": "Epsilon"})


def test_what_json_knows():
    value = {"a": [isi.L0(), np.float32(0.5)], "b": np.arange(2), "c": (None, "d")}
    assert _component.serialize(value) == {
        "a": [
            {"class_name": "L0", "config": isi.L0().get_config()},
            0.5,
        ],
        "b": [0, 1],
        "c": [None, "d"],
    }


@pytest.mark.parametrize("kind", ["norm", "rule", "attack"])
def test_a_class_that_is_defined_again_is_another_one(kind):
    """As in a notebook: nothing that was compiled with the old class answers for the new."""
    model, x = small_network(), images(4)

    def norm(sign):
        @dataclasses.dataclass(frozen=True, eq=False)
        class Again(norms.Norm):
            def move(self, significance, step):
                moved = keras.ops.clip(step.x + sign * 0.01, *step.bounds)
                return norms.Move(moved, step.order, step.active)

        attack = isi.Attack("sensitivity", Again(), max_steps=1)
        return attack(model, x).adversarial

    def rule(sign):
        @dataclasses.dataclass(frozen=True, eq=False)
        class Again(rules.Rule):
            epsilon: float = 1e-6
            bias: bool = True

            def parts(self, linear):
                return [(1.0, linear.agreeing() if sign > 0 else linear.plain())]

        return isi.explain(model, x, indicator=isi.Relevance(Again())).relevance

    def attack(sign):
        @dataclasses.dataclass(frozen=True, eq=False)
        class Again(attacks.BaseAttack):
            max_steps: int = 1
            bounds: Any = (-1.0, 1.0)

            def plan(self, planned, sample, targeted):
                forward = planned.forward()

                def step(model, samples, state, limits):
                    logits = forward(model, state.x)
                    state = state.observed(logits, (1, 0))
                    stop = attacks.first_of((state.steps >= limits.max_steps, Stop.MAX_STEPS))
                    return state.advanced(stop, x=state.x + sign * 0.01), logits

                return attacks.Plan(attacks.State.begin, step)

        return Again()(model, x * 0.5).adversarial

    made = {"norm": norm, "rule": rule, "attack": attack}[kind]
    first, second = made(1), made(-1)
    assert not np.array_equal(first, second)


@pytest.mark.once
def test_what_came_is_said_in_few_words():
    pandas = pytest.importorskip("pandas")
    x = np.zeros((100, 28), "float32")
    attack = isi.Attack()
    for call, said in (
        (lambda: attacks.get(x), "an array where an attack belongs: <ndarray of shape (100, 28) "),
        (lambda: indicators.get(keras.ops.convert_to_tensor(x)), "array where an indicator bel"),
        (lambda: norms.get(pandas.DataFrame(x)), "where a norm belongs: <DataFrame of shape (100"),
        (lambda: isi.callbacks.RobustnessMonitor(x, x[:, 0], attack), "where an attack belongs"),
        (lambda: attacks.get({"a": x, "b": [x] * 9}), "attack={'a': <ndarray of shape (100, 28)"),
        (lambda: attacks.get(["a" * 90] * 90), "aaa"),
        (lambda: isi.Attack(max_steps=x), "max_steps=<ndarray of shape (100, 28) and type float"),
        (lambda: isi.Attack(objective=x), "Unknown objective: <ndarray"),
        (lambda: isi.Attack(bounds=x), "Received: <ndarray of shape (100, 28)"),
        (lambda: isi.Attack(bounds=(x, -1)), "Received: (<ndarray of shape (100, 28)"),
        (lambda: isi.Domain(0, 1, direction=x + 2), "Received: direction=[[2, 2, 2, 2, 2, 2"),
        (lambda: isi.run(x, None, x, out="x"), "Received: <ndarray of shape (100, 28)"),
        (lambda: isi.Attack(max_steps=np.array([2.5])), "max_steps=array([2.5])."),
    ):
        with pytest.raises((TypeError, ValueError)) as caught:
            call()
        assert said in str(caught.value)
        assert len(str(caught.value)) < 500
