"""Every record with any values its fields allow: what is saved is what is read."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tested
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from makers import records

from isi_keras.results import Result

pytestmark = pytest.mark.once


def drawn(data):
    """Makes arrays within a rule, at its ends too."""

    def array(rule, shape, dtype):
        if rule.rising or rule.distinct:
            return records.random_array(np.random.default_rng(0), rule, shape, dtype)
        if dtype == "U":
            texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=5)
            words = st.sampled_from(rule.words) if rule.words else texts
            size = math.prod(shape)
            entries = data.draw(st.lists(words, min_size=size, max_size=size))
            return np.array(entries, dtype=str).reshape(shape)
        if dtype == "bool":
            return data.draw(arrays.arrays(dtype, shape))
        if dtype == "int32":
            least = int(rule.low or 0)
            most = 2**20 if rule.high is None else min(int(rule.high), 2**31 - 1)
            return data.draw(arrays.arrays(dtype, shape, elements=st.integers(least, most)))
        elements = st.floats(
            *(rule.low, None if rule.high is None else 1.0),
            width=32 if dtype == "float32" else 64,
            allow_nan=False,
            allow_infinity=False,
        )
        odd = [np.nan] * rule.nan + [np.inf] * rule.inf
        if odd:
            elements |= st.sampled_from(odd)
        return data.draw(arrays.arrays(dtype, shape, elements=elements))

    return array


@pytest.mark.parametrize("kind", records.kinds(), ids=lambda kind: kind.__name__)
@tested(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_saved_is_read(kind, data, tmp_path_factory):
    several = "relevance" in kind.__dataclass_fields__ and data.draw(st.booleans())
    record = records.made(
        kind,
        optional=data.draw(st.booleans()),
        count=data.draw(st.integers(0, 3)),
        inputs=("left", "right/1") if several else (),
        array=drawn(data),
    )
    path = record.save(tmp_path_factory.mktemp("saved") / "r")
    records.assert_same(kind.load(path), record)
    records.assert_same(Result.load(path), record)
