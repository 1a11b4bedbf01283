"""The exact search for the best pair, against all pairs in float64."""

import functools

import numpy as np
import oracles
import pytest
from keras import ops

from isi_keras import backend
from isi_keras.norms import pair_search

SIZES = (1, 2, 5, 33, 64, 200)
EACH = 8


def cancelling(rng, size, noise, quotient):
    """The factors oppose each other, and features each other: sums are as small as the noise."""
    u = rng.choice([-1.0, 1.0], size) * np.exp(rng.normal())
    return u + noise * rng.normal(size=size), noise * rng.normal(size=size) - quotient * u


def one_huge(rng, size):
    """One feature that goes with all others, which are equal."""
    u, v = np.full(size, 0.5), np.full(size, 0.25)
    u[rng.integers(size)] = 1e6
    return u, v


def outliers(rng, size, share=0.1):
    """Features of great factors of opposite signs, to which no other is a partner."""
    u, v = rng.normal(size=(2, size))
    far = rng.random(size) < share
    return np.where(far, 1e6, u), np.where(far, -1e6, v)


def hyperbola(rng, size):
    """All features alone score the same."""
    power = rng.normal(size=size)
    return np.exp(power), np.exp(-power)


def circle(rng, size):
    angle = rng.uniform(-0.5, 0.5 + np.pi / 2, size)
    return np.cos(angle), np.sin(angle)


def rounded(rng, size, digits):
    return np.round(rng.normal(size=(2, size)), digits)


KINDS = {
    "normal": lambda rng, size: rng.normal(size=(2, size)),
    "signs": lambda rng, size: rng.integers(-1, 2, (2, size)),
    "ties": lambda rng, size: rounded(rng, size, 0),
    "fewer ties": lambda rng, size: rounded(rng, size, 1),
    "zeros": lambda rng, size: np.zeros((2, size)),
    "many zeros": lambda rng, size: rng.normal(size=(2, size)) * (rng.random((2, size)) < 0.2),
    "negative": lambda rng, size: -rng.exponential(size=(2, size)),
    "positive": lambda rng, size: rng.exponential(size=(2, size)),
    "one factor negative": lambda rng, size: rng.exponential(size=(2, size)) * [[1], [-1]],
    "few positive": lambda rng, size: rng.normal(-2, 1, size=(2, size)),
    "equal factors": lambda rng, size: np.tile(rng.normal(size=size), (2, 1)),
    "opposite factors": lambda rng, size: rng.normal(size=size) * np.array([[1], [-1]]),
    "one huge": one_huge,
    "outliers": outliers,
    "heavy tails": lambda rng, size: rng.standard_cauchy(size=(2, size)) ** 3,
    "mixed scales": lambda rng, size: rng.normal(size=(2, size)) * np.exp(
        rng.uniform(-9, 9, (2, size))
    ),
    "huge": lambda rng, size: rng.normal(size=(2, size)) * 1e30,
    "tiny": lambda rng, size: rng.normal(size=(2, size)) * 1e-30,
    "huge and tiny": lambda rng, size: rng.normal(size=(2, size)) * [[1e-30], [1e30]],
    "of another size": lambda rng, size: rng.normal(size=(2, size)) * [[1], [1e9]],
    "nearly equal": lambda rng, size: 1 + rng.normal(size=(2, size)) / 32,
    "hyperbola": hyperbola,
    "circle": circle,
    "nearly opposite": lambda rng, size: cancelling(rng, size, 1e-1, 1),
    **{
        f"cancelling by {noise:g}, {quotient}": functools.partial(
            cancelling, noise=noise, quotient=quotient
        )
        for noise in (1e-3, 1e-6, 3e-7)
        for quotient in (1, 2.5, 0.3)
    },
}  # fmt: skip
FREE = {
    "all": lambda rng, size: np.ones(size, bool),
    "half": lambda rng, size: rng.random(size) < 0.5,
    **{
        f"{count}": lambda rng, size, count=count: rng.permutation(size) < count
        for count in (0, 1, 2)
    },
}


def cases(size):
    """Rows of every kind with every mask, the one without a mask most often; their names."""
    rng = np.random.default_rng(size)
    rows = [
        (f"{kind}, {mask} free", *make(rng, size), FREE[mask](rng, size))
        for kind, make in KINDS.items()
        for mask in [*FREE, *["all"] * (EACH - len(FREE))]
    ]
    names, *parts = zip(*rows, strict=True)
    u, v, free = (np.array(part) for part in parts)
    return names, u.astype("float32"), v.astype("float32"), free


def found(search, *arrays):
    """What a compiled search finds, as arrays."""
    tensors = [ops.convert_to_tensor(array, dtype=str(array.dtype)) for array in arrays]
    return pair_search.Found(*map(ops.convert_to_numpy, backend.jit(search)(*tensors)))


def tables(u, v, free, of_pairs=True):
    """The score of each pair in each row, `(D, D)`; -1 if it is not admissible."""
    for factors in zip(u.astype("float64"), -v.astype("float64"), free, strict=True):
        yield oracles.saliency_map(*factors[:2], 1, 1, factors[2], of_pairs)


def check(names, u, v, free, answer, of_pairs=True):
    """An answer is the best of all, and that one where it is the only one."""
    assert all(np.isfinite(part).all() for part in answer)
    distinct = 0
    for row, table in enumerate(tables(u, v, free, of_pairs)):
        first, second, value, admissible = (part[row] for part in answer)
        assert 0 <= min(first, second) <= max(first, second) < u.shape[1], names[row]
        assert admissible == (table.max() >= 0), names[row]
        if not admissible:
            continue
        assert first < second if of_pairs else first == second, names[row]
        score, best = table[first, second], table.max()
        assert score >= best * (1 - 2e-6), (names[row], score, best)
        np.testing.assert_allclose(value, np.log2(best), rtol=1e-6, atol=1e-5, err_msg=names[row])
        near = np.argwhere(table >= best * (1 - 1e-5))
        if len(near) == 1:
            np.testing.assert_array_equal((first, second), near[0], err_msg=names[row])
            distinct += 1
    return distinct


@pytest.mark.parametrize("size", SIZES)
def test_the_best_pair_is_that_of_all_pairs(size):
    names, *arrays = cases(size)
    distinct = check(names, *arrays, found(pair_search.best_pair, *arrays))
    assert distinct >= min(0.3, 0.1 * (size - 1)) * len(names)


@pytest.mark.parametrize("size", SIZES[-3:])
def test_the_best_feature_is_that_of_all_features(size):
    names, *arrays = cases(size)
    distinct = check(names, *arrays, found(pair_search.best_single, *arrays), of_pairs=False)
    assert distinct > 0.3 * len(names)


def test_what_few_candidates_miss_is_searched_for(monkeypatch):
    """Without the search beyond the candidates there are wrong answers, with it there are none."""
    names, *arrays = cases(33)
    answer = found(functools.partial(pair_search.best_pair, candidates=2), *arrays)
    check(names, *arrays, answer)
    monkeypatch.setattr(pair_search, "_search", lambda u, v, left, found, apart: found)
    without = found(functools.partial(pair_search.best_pair, candidates=2), *arrays)
    worse = without.admissible < answer.admissible
    worse |= answer.admissible & (without.value < answer.value - 1e-3)
    assert worse.sum() > 10
    assert not (without.admissible > answer.admissible).any()


@pytest.mark.parametrize("kind", ["circle", "nearly equal"])
def test_no_bound_above_the_best_is_left(kind):
    """By themselves, as a batch is searched until the last of its rows is done."""
    rng = np.random.default_rng(2)
    u, v = np.array([KINDS[kind](rng, 33) for _ in range(1000)], "float32").transpose(1, 0, 2)
    arrays = u, v, np.ones(u.shape, bool)
    search = functools.partial(pair_search.best_pair, candidates=2)
    check([kind] * len(u), *arrays, found(search, *arrays))


def test_all_pairs_are_searched_if_rounding_is_all_there_is():
    """Bounds whose terms cancel are less exact than the sums, which have one rounding only."""
    rng = np.random.default_rng(1)
    rows = [cancelling(rng, 40, 3e-7, quotient) for quotient in (1.3, 2.5, 0.3) for _ in range(700)]
    u, v = np.array(rows).astype("float32").transpose(1, 0, 2)
    free = np.ones(u.shape, bool)
    check(["cancelling"] * len(u), u, v, free, found(pair_search.best_pair, u, v, free))


def test_of_equal_pairs_the_first_is_taken():
    u = np.ones((2, 20), "float32")
    u[1, 3] = 2
    free = np.ones(u.shape, bool)
    free[:, 0] = False
    for search in (pair_search.best_pair, functools.partial(pair_search.best_pair, candidates=19)):
        answer = found(search, u, np.ones_like(u), free)
        np.testing.assert_array_equal(answer.first, [1, 1])
        np.testing.assert_array_equal(answer.second, [2, 3])
    np.testing.assert_array_equal(found(pair_search.best_single, u, u, free).first, [1, 3])


def test_values_tell_which_of_two_searches_found_more():
    """Whatever the scale of the factors: the value is that of the product itself."""
    u = np.array([[3, 1, -1], [3e20, 1e20, 0], [3e-20, 1e-20, 0]], "float32")
    v = np.array([[1, 3, -1], [1e-30, 3e-30, 0], [1e-15, 3e-15, 0]], "float32")
    answer = found(pair_search.best_pair, u, v, np.ones(u.shape, bool))
    wanted = 4 + np.log2(10.0) * np.array([0, -10, -35])
    np.testing.assert_allclose(answer.value, wanted, rtol=1e-6)


@pytest.mark.parametrize("size", SIZES[:3] + SIZES[-2:-1])
def test_share_of_admissible_pairs(size):
    _, u, v, _ = cases(size)
    tensors = [ops.convert_to_tensor(array) for array in (u, v)]
    share = ops.convert_to_numpy(backend.jit(pair_search.share_admissible)(*tensors))
    count = max(size * (size - 1) / 2, 1)
    everything = np.ones(u.shape, bool)
    wanted = [(table >= 0).sum() / count for table in tables(u, v, everything)]
    np.testing.assert_allclose(share, wanted, rtol=0, atol=1e-5)
