"""What an input may become: closed forms on linear models, and a recount of every result."""

import functools
import itertools
import json

import keras
import numpy as np
import pytest

import isi_keras as isi
from isi_keras import attacks
from isi_keras._component import serialize
from isi_keras.domain import expect_for_all
from isi_keras.results import AttackResult

INF = float("inf")
# Two free, one held, one that only rises, one that only falls, two on grids, a one-hot group.
MIXED = isi.Domain(
    low=[-1, -1, -1, -1, -1, 0, -1, 0, 0, 0],
    high=[1, 2, 1, 1, 1, 5, 1, 1, 1, 1],
    mutable=[True, True, False] + 7 * [True],
    direction=[0, 0, 0, 1, -1, 0, 0, 0, 0, 0],
    integer=[False] * 5 + [True] + [False] * 4,
    step=[0] * 6 + [0.25] + [0] * 3,
    groups=[(7, 8, 9)],
    names=("a", "b", "held", "up", "down", "count", "quarter", "red", "green", "blue"),
)


def rows(count, seed=0):
    """Samples that `MIXED` holds; the grids are kept."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (count, 10))
    x[:, 5], x[:, 6] = rng.integers(0, 6, count), rng.integers(-4, 5, count) / 4
    x[:, 7:] = np.eye(3)[rng.integers(0, 3, count)]
    return x.astype("float32")


def possible(x, adversarial):
    """Whether each row is a possible record, by what `MIXED` means, written down once more."""
    a, b = x.astype("float64").T, adversarial.astype("float64").T
    ok = (np.abs(b[[0, 2, 3, 4, 6]]) <= 1).all(0) & (b[1] >= -1) & (b[1] <= 2)
    ok &= (b[2] == a[2]) & (b[3] >= a[3]) & (b[4] <= a[4])
    ok &= np.isin(b[5], range(6)) & (b[6] * 4 == np.round(b[6] * 4))
    return ok & (np.sort(b[7:], axis=0) == np.array([[0], [0], [1]])).all(0)


def changes(x, adversarial):
    """How many changes: a group is one."""
    changed = x != adversarial
    return changed[:, :7].sum(1) + changed[:, 7:].any(1)


def least(w, margin, row):
    """The fewest changes that make up a margin, by trying all sets; `None` if there are none."""
    values = [
        [(v - row[i]) * w[i] for v in choices]
        for i, choices in enumerate(
            [(-1, 1), (-1, 2), (row[2],), (row[3], 1), (-1, row[4]), range(6), (-1, 1)]
        )
    ]
    values.append([w[7 + j] - w[7:] @ row[7:] for j in range(3)])
    gains = [max(each) for each in values]
    for count in range(1, 9):
        sets = itertools.combinations(range(8), count)
        if any(sum(gains[i] for i in chosen) > margin for chosen in sets):
            return count
    return None


@pytest.fixture(scope="module")
def linear():
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(2)])
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=(10, 2)), np.array([4.0, 0.0])])
    return model


@pytest.fixture(scope="module")
def network():
    model = keras.Sequential(
        [keras.Input((10,)), keras.layers.Dense(12, "relu"), keras.layers.Dense(3)]
    )
    rng = np.random.default_rng(0)
    kernel, *rest = (rng.normal(size=w.shape) for w in model.get_weights())
    kernel[7:] *= 2
    model.set_weights([kernel, *rest])
    return model


def test_a_linear_model_is_turned_by_the_fewest_changes_there_are(linear):
    x = rows(80)
    attack = isi.Attack("sensitivity", "l0", objective="margin", scale="reach", bounds=MIXED)
    result = attack(linear, x, batch_size=32)
    kernel, bias = (part.astype("float64") for part in linear.get_weights())
    counts = set()
    for index, row in enumerate(x.astype("float64")):
        logits = row @ kernel + bias
        label = logits.argmax()
        w = kernel[:, 1 - label] - kernel[:, label]
        count = least(w, logits[label] - logits[1 - label], row)
        assert result.success[index] == (count is not None)
        assert result.stop_reason[index] == ("success" if count else "exhausted")
        if count:
            assert changes(x, result.adversarial)[index] == count
        counts.add(count)
    assert len(counts) > 3
    assert possible(x, result.adversarial).all()
    np.testing.assert_array_equal(result.order > 0, result.changed)


ATTACKS = {
    "l0": isi.Attack("sensitivity", "l0", bounds=MIXED),
    "relevance": isi.Attack("relevance", isi.L0(features=3), bounds=MIXED),
    "l2": isi.Attack("sensitivity", isi.L2(4, 0.1), bounds=MIXED),
    "linf": isi.Attack("sensitivity", "linf", bounds=MIXED),
    "within": isi.Attack("relevance", isi.Linf(0.05, epsilon=0.3), bounds=MIXED),
    "jsma": isi.JSMA(0.3, 0.7, bounds=MIXED),
    "single": isi.JSMA(-1.0, 1.0, pairs=False, variant="tjsma", bounds=MIXED),
    "random": isi.JSMA(0.3, 0.5, bounds=MIXED, untargeted="random"),
    "mjsma": isi.JSMA(0.5, 1.0, variant="mjsma", once=True, bounds=MIXED),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_every_adversarial_example_is_a_possible_record(network, name, tmp_path):
    x, attack = rows(60), ATTACKS[name]
    result = attack(network, x, batch_size=25)
    assert possible(x, result.adversarial).all()
    assert result.success.sum() > 10
    assert not any(where.any() for where in MIXED.violations(x, result.adversarial).values())
    again = network.predict(result.adversarial, verbose=0).argmax(1)
    np.testing.assert_array_equal(again, result.prediction)
    moved = (result.adversarial != x)[result.success].any(0)
    assert not moved[2]
    assert moved[7:].any() or name == "within"
    report = isi.evaluate(result)
    mean = changes(x, result.adversarial)[result.success].mean()
    np.testing.assert_allclose(report.measures["l0_feature"].mean_success, mean)
    if name == "within":
        widths = MIXED.high - MIXED.low
        assert (np.abs(result.adversarial - x) <= 0.3 * widths + 1e-6).all()
    if name == "jsma":
        assert changes(x, result.adversarial).max() <= 0.7 * 8
        loaded = AttackResult.load(result.save(tmp_path / "result"))
        assert attacks.get(loaded.config) == attack
        assert loaded.domain == MIXED


@pytest.mark.parametrize("theta", [1.0, -1.0])
def test_the_pair_of_the_greatest_saliency_never_has_two_of_a_group(network, theta):
    """By trying all pairs: two columns that may move, or one and where the one of a group goes."""
    x = rows(100, seed=4)
    first = isi.JSMA(theta, 1.0, bounds=MIXED).for_shape((10,))
    result = attacks.Attack(first.indicator, first.norm, 1, MIXED)(network, x, target=1)
    slopes = np.stack(
        [isi.explain(network, x, target=k, indicator="sensitivity").relevance for k in range(3)]
    )
    pairs = 0
    for index in np.flatnonzero(result.steps == 1):
        u, v = slopes[1, index], -slopes[[0, 2], index].sum(0)
        here = int(x[index, 7:].argmax()) + 7
        moves = {j: (u[j] - u[here], v[j] - v[here]) for j in (7, 8, 9) if j != here}
        for j in (0, 1, 3 if theta > 0 else 4, 5, 6):
            moves[j] = np.sign(theta) * u[j], np.sign(theta) * v[j]
        scores = {
            pair: sums.prod() if (sums > 0).all() else -1
            for pair in itertools.combinations(sorted(moves), 2)
            if min(pair) < 7
            for sums in [np.add(*(moves[j] for j in pair))]
        }
        best = max(scores, key=lambda pair: scores[pair])
        changed = set(np.flatnonzero(result.order[index]))
        picked = {j for j in best if x[index, j] != result.adversarial[index, j]}
        assert changed == picked | ({here} if max(best) > 6 else set())
        pairs += max(best) > 6
    assert pairs > 3


class TestSteps:
    """Steps are shares of the range of each input."""

    def test_the_unit_of_the_data_changes_nothing(self, network):
        """The same network on data 127.5 times as great."""
        x = np.random.default_rng(1).uniform(-1, 1, (40, 10)).astype("float32")
        great = keras.Sequential(
            [keras.Input((10,)), keras.layers.Rescaling(1 / 128), *network.layers]
        )
        for norm in ("l2", isi.Linf(0.02, epsilon=0.1)):
            small = isi.Attack("sensitivity", norm, bounds=(-1, 1))(network, x)
            large = isi.Attack("sensitivity", norm, bounds=(-128, 128))(great, 128 * x)
            np.testing.assert_array_equal(small.success, large.success)
            np.testing.assert_allclose(128 * small.adversarial, large.adversarial, atol=1e-3)
        assert small.success.any()

    def test_raw_units_decide_the_order_unless_scores_are_scaled(self, linear):
        """A column in thousands counts for nothing by its derivative alone."""
        unit = np.array([1] * 9 + [1000.0])
        kernel = linear.get_weights()[0]
        model = keras.models.clone_model(linear)
        model.set_weights([kernel / unit[:, None], linear.get_weights()[1]])
        bounds, x = (-unit, unit), np.zeros((1, 10))
        picked = {
            scale if isinstance(scale, str) else str(scale is not None): int(
                isi.Attack("sensitivity", "l0", 1, bounds, scale=scale)(model, x).order.argmax()
            )
            for scale in (None, "range", "reach", unit)
        }
        greatest = np.abs(kernel[:, 0])
        best = int(greatest.argmax())
        assert picked["range"] == picked["reach"] == picked["True"] == best
        assert picked["False"] == int((greatest / unit).argmax())

    def test_whole_numbers_stay_whole(self, network):
        """A step is at least one of the grid, and what counts as success was whole."""
        x = np.random.default_rng(0).integers(0, 256, (40, 10), "uint8")
        model = keras.Sequential(
            [keras.Input((10,)), keras.layers.Rescaling(1 / 127.5, -1), *network.layers]
        )
        for norm in (isi.L2(3, 0.01), isi.Linf(0.001, epsilon=0.03)):
            result = isi.Attack("sensitivity", norm, bounds=(0, 255))(model, x)
            as_given = result.adversarial.astype("uint8")
            np.testing.assert_array_equal(as_given, result.adversarial)
            assert result.success.sum() > 3
            again = model.predict(as_given.astype("float32"), verbose=0).argmax(1)
            assert (again != result.clean_prediction)[result.success].all()
        assert np.abs(result.adversarial - x).max() == 7  # 0.03 of 255 is 7.65
        assert result.domain.integer

    def test_inputs_that_cannot_move_are_passed_over(self):
        """Of twenty inputs the steepest are at their bound: as published nothing else is tried."""
        model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(2)])
        w = np.linspace(2, 1, 20)
        model.set_weights([np.stack([w, -w], 1), np.zeros(2)])
        x = np.where(np.arange(20) < 8, -1, 0.98)[None] + np.zeros((30, 1))
        turned = {
            skip: isi.Attack("sensitivity", isi.L2(4, 0.05, skip_saturated=skip))(model, x).success
            for skip in (False, True)
        }
        assert turned[True].all()
        assert not turned[False].any()


class TestBounds:
    def test_each_sample_may_have_bounds_of_its_own(self, network):
        """In a batch, in a sweep, in the monitor; in training they have no meaning."""
        x = rows(30)[:, :7]
        model = keras.Sequential([keras.Input((7,)), keras.layers.Dense(3)])
        rng = np.random.default_rng(1)
        mutable = rng.random(x.shape) < 0.5
        domain = isi.Domain(x - 1, x + np.linspace(0.5, 2, 30)[:, None], mutable=mutable)
        attack = isi.Attack("sensitivity", "linf", bounds=domain)
        result = attack(model, x, batch_size=8)
        assert result.success.any()
        np.testing.assert_array_equal(result.changed & ~mutable, False)
        assert (result.adversarial <= domain.high).all()
        y = result.clean_prediction
        found = isi.hardness(model, x, y, attack=attack, distances=False)
        again = attack(model, x, target=found.target[::2])
        np.testing.assert_array_equal(np.isfinite(found.min_budget[::2]), again.success)
        monitor = isi.callbacks.RobustnessMonitor(attack, x, y)
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(x, y, callbacks=[monitor], verbose=0)
        assert not (monitor.result.changed & ~mutable).any()
        with pytest.raises(ValueError, match=r"given for each sample\. Give it for each feature"):
            isi.training.AdversarialTraining(model, attack)

    def test_training_crafts_possible_records(self, network):
        trained = isi.training.AdversarialTraining(network, ATTACKS["relevance"])
        x = rows(32)
        label = network.predict(x, verbose=0).argmax(1)
        crafted = keras.ops.convert_to_numpy(trained._crafting(x, label))
        assert possible(x, crafted).all()
        assert (crafted != x).any()

    def test_a_bound_may_be_infinite_where_nothing_goes_there(self, linear):
        x = rows(20)
        low = np.array([-1] * 9 + [-INF])
        free = isi.Domain(low, INF, direction=-np.ones(10, int))
        for norm in (isi.L2(3, 0.1, relative=False), isi.Linf(0.1, relative=False)):
            result = isi.Attack("sensitivity", norm, bounds=free)(linear, x)
            assert result.success.any()
            assert (result.adversarial <= x).all()
        assert (result.adversarial[:, 9] < -1).any()
        cases = [
            ("sensitivity", "l0", r"L0 moves .* range of column 9 is -inf\.\.inf\. Give it finite"),
            ("sensitivity", "l2", r"step_size is a share .* of column 0 .*pass relative=False"),
            ("relevance", isi.Linf(0.1, relative=False), r"Relevance is .* 'sensitivity'"),
        ]
        for indicator, norm, match in cases:
            with pytest.raises(ValueError, match=match):
                isi.Attack(indicator, norm, bounds=free)(linear, x)
        held = isi.Domain(low, [1] * 9 + [INF], mutable=[True] * 9 + [False])
        result = isi.Attack("relevance", "l0", bounds=held)(linear, np.clip(x, -1, 1))
        assert result.success.any()
        assert not result.changed[:, 9].any()

    def test_a_constant_column_is_no_error(self, linear):
        x = rows(20)
        x[:, 1] = 0.5
        bounds = x.min(0), x.max(0)
        result = isi.Attack("sensitivity", "l0", bounds=bounds)(linear, x)
        assert result.success.any()
        assert not result.changed[:, 1].any()

    @pytest.mark.parametrize("way", [1, -1])
    def test_the_distance_counts_what_may_move(self, network, way):
        """All pairs of moves, by trying them."""
        x = rows(6)
        indicator = isi.JacobianSaliency(increase=way > 0)
        single, pairs = (
            isi.adversarial_distance(
                network, x, target=1, bounds=MIXED, indicator=indicator, pairs=of_pairs
            )
            for of_pairs in (False, True)
        )
        slopes = np.stack(
            [isi.explain(network, x, target=k, indicator="sensitivity").relevance for k in range(3)]
        )
        for index, row in enumerate(x):
            u, v = slopes[1, index], -slopes[[0, 2], index].sum(0)
            here = int(row[7:].argmax()) + 7
            moves = {j: (u[j] - u[here], v[j] - v[here]) for j in (7, 8, 9) if j != here}
            moves |= {j: (way * u[j], way * v[j]) for j in (0, 1, 3 if way > 0 else 4, 5, 6)}
            helps = [a > 0 and b > 0 for a, b in moves.values()]
            np.testing.assert_allclose(single[index], 1 - np.mean(helps), atol=1e-6)
            both = [
                np.all(np.add(moves[p], moves[q]) > 0)
                for p, q in itertools.combinations(moves, 2)
                if min(p, q) < 7
            ]
            np.testing.assert_allclose(pairs[index], 1 - np.mean(both), atol=1e-6)

    def test_a_domain_comes_back_from_json(self):
        config = json.loads(json.dumps(isi.Attack(bounds=MIXED).get_config()))
        assert isi.Attack.from_config(config).bounds == MIXED
        table = isi.Domain.from_data(np.array([[1, 2], [3, 2]]), direction=[1, 0])
        assert table == isi.Domain([1, 2], [3, 2], integer=True, direction=[1, 0])


ROW = rows(2)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: isi.Domain(None, 1), r"low=None. For no limit pass -inf"),
        (lambda: isi.Domain(0, None), r"high=None. For no limit pass inf"),
        (
            lambda: isi.goals.LabelSet([[1, 0], [1]]),
            r"labels=\[\[1, 0\], \[1\]\]",
        ),
        (lambda: isi.goals.Above([[1], [1, 2]]), "a finite number in the unit of the output"),
        (lambda: isi.Domain([0, 2], [1, 1]), r"low <= high .* low=2 and high=1 in column 1"),
        (lambda: isi.Domain([0, 2], [1, 1], names="ab"), r"in the column 'b' \(1\)"),
        (lambda: isi.Domain(0, 1, groups=[(1, 2), (2, 3)]), r"overlap: column 2 is in .* 0 and 1"),
        (lambda: isi.Domain(0, 1, groups=[(1,)]), r"at least two columns.*group 0 of \(1,\)"),
        (lambda: isi.Domain(0, 1, direction=2), r"\+1 \(may rise\), -1 .* direction=2"),
        (lambda: isi.Domain(0, 1, step=-1), r"step=-1"),
        (lambda: isi.Domain(0, 1, mutable=["a"]), r"names of the columns where mutable"),
        (
            lambda: isi.Domain(0, 1, names=("age", "sex"), integer=["aeg"]),
            r"Unknown column in integer: 'aeg'\. Did you mean 'age'\?",
        ),
        (
            lambda: isi.Domain(-9, 9, mutable=[True] * 3).violations(ROW, ROW),
            r"mutable has shape \(3,\), which does not broadcast to the shape \(10,\)",
        ),
        (
            lambda: isi.Domain(-9, 9, mutable=np.ones((5, 10))).violations(ROW, ROW),
            r"mutable has shape \(5, 10\).*Pass one row for each of 2 samples",
        ),
        (
            lambda: isi.Domain(-9, 9, groups=[(7, 10)]).violations(ROW, ROW),
            r"A group has the index 10, but a sample has 10 features",
        ),
    ],
)
def test_what_is_no_domain(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_what_is_not_in_the_domain(linear):
    for change, match in (
        ({(1, 1): 3}, r"in row 1, the column 'b' \(1\): 3 is not in -1\.\.2\. Widen the range"),
        ({(1, 7): 1, (1, 8): 1}, r"Group 0 is not one-hot in row 1.*'red' \(7\).*Received: \[1"),
    ):
        x = ROW.copy()
        for place, value in change.items():
            x[place] = value
        with pytest.raises(ValueError, match=match):
            isi.Attack("sensitivity", "l0", bounds=MIXED)(linear, x)
    with pytest.raises(ValueError, match="Use unit='feature': a change within a group counts"):
        isi.Attack("sensitivity", isi.L0(unit="position"), bounds=MIXED)(linear, ROW)
    with pytest.raises(ValueError, match=r"scores of Relevance have no unit.*scale='range'"):
        isi.Attack("relevance", scale="range")
    with pytest.raises(ValueError, match=r"does not go with the norm Salient.*'tjsma'"):
        isi.JSMA(scale="reach")


@pytest.mark.once
def test_bounds_that_would_go_with_other_samples_are_found():
    each, every = (-1.0, np.ones((4, 3))), (-1.0, np.ones(3))
    for given in (
        isi.Domain(*each),
        isi.Attack(bounds=each),
        {"a": [isi.JSMA(bounds=isi.Domain(*each))]},
        functools.partial(isi.robustness, bounds=each),
        functools.partial(isi.robustness, attacks=[serialize(isi.Attack(bounds=each))]),
        {"bounds": serialize(isi.Domain(*each))},
    ):
        with pytest.raises(ValueError, match="Bounds of each sample are cut for an attack alone"):
            expect_for_all(given, 2)
        with pytest.raises(ValueError, match="Bounds of each sample are cut for an attack alone"):
            expect_for_all(given, lambda: None)
        expect_for_all(given, 3)
    never = {"attacks": [isi.Attack(bounds=every)], "bounds": "wide", "more": np.ones((4, 3))}
    expect_for_all(functools.partial(isi.robustness, **never), 2)
    expect_for_all([isi.Attack(), {"bounds": None}, ("l0",)], lambda: pytest.fail("not needed"))
