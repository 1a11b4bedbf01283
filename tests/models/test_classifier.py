"""Logits of every kind of model, and compilation with the weights as arguments."""

import types

import keras
import numpy as np
import pytest
from keras import layers, ops
from makers.networks import images, small_network

import isi_keras as isi
from isi_keras.models import compiling
from isi_keras.models import layers as parts


def close(model, x, wanted, **options):
    found = ops.convert_to_numpy(isi.logits(model, **options)(x))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.fixture
def raw():
    """A model that ends in logits, and its logits."""
    model, x = small_network(final=None), images(4)
    return model, x, model.predict(x, verbose=0)


class Subclassed(keras.Model):
    def __init__(self, inner, last=None):
        super().__init__()
        self.inner, self.last = inner, last

    def call(self, x):
        x = self.inner(x)
        return x if self.last is None else self.last(x)


class TestFinalActivation:
    def test_absent(self, raw):
        model, x, wanted = raw
        close(model, x, wanted)
        close(model, x, wanted, from_logits=True)

    @pytest.mark.parametrize("final", ["softmax", "log_softmax", "sigmoid"])
    def test_fused(self, raw, final):
        _, x, wanted = raw
        model = small_network(final=final)
        close(model, x, wanted)
        close(model, x, wanted, from_logits=False)
        assert model.layers[-1].activation is keras.activations.get(final)

    @pytest.mark.parametrize(
        "last",
        [
            layers.Softmax,
            lambda: layers.Activation("softmax"),
            lambda: layers.Activation("sigmoid"),
        ],
    )
    def test_a_layer(self, raw, last):
        model, x, wanted = raw
        close(keras.Sequential([model, last()]), x, wanted)  # nested
        close(keras.Model(model.inputs, last()(model.outputs[0])), x, wanted)
        subclassed = Subclassed(model, last())
        subclassed(x)
        close(subclassed, x, wanted)

    def test_a_layer_as_fused_activation(self, raw):
        _, x, wanted = raw
        model = small_network(final=layers.Softmax())
        close(model, x, wanted)

    def test_an_operation(self, raw):
        model, x, wanted = raw
        close(keras.Model(model.inputs, ops.softmax(model.outputs[0])), x, wanted)

    def test_nested_and_behind_dropout(self, raw):
        _, x, wanted = raw
        inner = small_network()
        model = keras.Sequential(
            [keras.Input((6, 5, 2)), layers.Identity(), inner, layers.Dropout(0.5)]
        )
        close(model, x, wanted)

    def test_kept_on_request(self, raw):
        _, x, _ = raw
        model = small_network()
        close(model, x, model.predict(x, verbose=0), from_logits=True)

    @pytest.mark.parametrize("final", ["sigmoid", None])
    def test_one_unit_is_two_classes(self, final):
        model = keras.Sequential([keras.Input((4,)), layers.Dense(1, final)])
        x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
        z = x @ model.get_weights()[0]
        close(model, x, np.concatenate([-z, z], 1), from_logits=None if final else True)

    def test_mixed_precision_gives_float32(self):
        model = keras.Sequential(
            [keras.Input((4,)), layers.Dense(3, "softmax", dtype="mixed_bfloat16")]
        )
        found = isi.logits(model)(np.ones((2, 4), "float32"))
        assert keras.backend.standardize_dtype(found.dtype) == "float32"


class TestErrors:
    def test_probabilities_of_unknown_origin(self, raw):
        model, x, wanted = raw
        hidden = Subclassed(model, lambda z: ops.sin(ops.softmax(z)))
        hidden(x)
        with pytest.raises(ValueError, match=r"cannot be known.*logits\(model, from_logits=True\)"):
            isi.logits(hidden)(x)
        probabilities = np.exp(wanted) / np.exp(wanted).sum(-1, keepdims=True)
        close(hidden, x, np.sin(probabilities), from_logits=True)

    def test_one_linear_unit(self):
        model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
        with pytest.raises(ValueError, match=r"cannot be known.*returns 1 value.*from_logits=True"):
            isi.logits(model)(np.ones((1, 4), "float32"))

    def test_nothing_to_remove(self, raw):
        model, x, _ = raw
        with pytest.raises(ValueError, match=r"from_logits=False, but.*no softmax or sigmoid"):
            isi.logits(model, from_logits=False)(x)

    def test_no_model(self):
        with pytest.raises(TypeError, match=r"Expected a Keras model\. Received.*builtins\.int"):
            isi.logits(3)

    def test_unbuilt(self):
        with pytest.raises(ValueError, match=r"is not built.*model\.build\(input_shape\)"):
            isi.logits(keras.Sequential([layers.Dense(3)]))

    def test_two_outputs(self):
        x = keras.Input((4,))
        model = keras.Model(x, [layers.Dense(2)(x), layers.Dense(3)(x)])
        with pytest.raises(ValueError, match=r"has 2 outputs; one is expected.*keras\.Model"):
            isi.logits(model)
        subclassed = Subclassed(layers.Dense(2), lambda x: (x, x))
        subclassed(np.ones((1, 4), "float32"))
        with pytest.raises(ValueError, match=r"has 2 outputs"):
            isi.explain(subclassed, np.ones((1, 4), "float32"))

    def test_no_classifier(self):
        model = keras.Sequential([keras.Input((6, 5, 2)), layers.Conv2D(2, 1)])
        with pytest.raises(ValueError, match=r"outputs of shape \(N, classes\).*\(N, 6, 5, 2\)"):
            isi.logits(model)(images(1))


class TestThatTheModelStaysAsItIs:
    def test_a_failing_layer_leaves_the_model_as_it_was(self, raw):
        model, x, _ = raw

        class Failing(layers.Layer):
            def call(self, x):
                if getattr(self, "fails", False):
                    raise ArithmeticError("broken")
                return x

        failing = Failing()
        broken = keras.Sequential([keras.Input((6, 5, 2)), failing, model, layers.Softmax()])
        broken(x)
        failing.fails = True
        before = [dict(vars(node)) for node in parts.nodes(broken)]
        for attempt in (isi.explain, isi.Attack("sensitivity")):
            with pytest.raises(ArithmeticError, match="broken"):
                attempt(broken, x)
        after = [dict(vars(node)) for node in parts.nodes(broken)]
        assert [set(a) for a in after] == [set(b) for b in before]
        assert all("call" not in attributes for attributes in after)

    def test_two_threads_do_not_see_each_other(self):
        """Explaining and predicting in threads gives what each gives alone."""
        import concurrent.futures

        networks = [small_network(seed=seed) for seed in range(3)]
        x = images(6)
        alone = [isi.explain(model, x).relevance for model in networks]
        for kept in networks:
            compiling._KEPT.pop(kept)
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            together = list(pool.map(lambda model: isi.explain(model, x).relevance, networks))
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


class TestCompiled:
    def test_sees_new_weights_without_a_new_trace(self, raw):
        model, x, _ = raw
        run = compiling.compiled(lambda model, x: model(x), model)
        first = ops.convert_to_numpy(run(ops.convert_to_tensor(x)))
        model.set_weights([2 * w for w in model.get_weights()])
        traces = run.traces
        second = ops.convert_to_numpy(run(ops.convert_to_tensor(x)))
        np.testing.assert_allclose(second, model.predict(x, verbose=0), rtol=1e-5, atol=1e-5)
        assert not np.allclose(first, second)
        if keras.config.backend() != "torch":
            assert run.traces == traces

    @pytest.mark.parametrize(
        "kind", ["number", "_number", "array", "_array", "list", "held", "_of", "_kind"]
    )
    def test_sees_what_changed_in_place(self, kind):
        """What a layer holds is a constant of the graph, so long as it is as it was."""

        class Scaling(layers.Layer):
            def __init__(self):
                super().__init__()
                self.number = self._number = 2.0
                self.array, self._array = np.ones(3), np.ones(3)
                self.list, self.held = [1.0, 2.0, 3.0], {"deep": [np.ones(3)]}
                self._of, self._kind = types.SimpleNamespace(k=2.0), np.float32(2)

            def call(self, x):
                held = getattr(self, kind)
                held = {"held": lambda: held["deep"][0], "_of": lambda: held.k}.get(
                    kind, lambda: held
                )()
                return x * ops.convert_to_tensor(np.array(held), "float32")

        scaling = Scaling()
        model = keras.Sequential([keras.Input((3,)), scaling, layers.Dense(2)])
        x = np.ones((2, 3), "float32")
        isi.explain(model, x, target=0)
        scaling.number = scaling._number = scaling._of.k = 5.0
        scaling._kind = np.float32(5)
        for changed in (scaling.array, scaling._array, scaling.list, scaling.held["deep"][0]):
            changed[1] = 7.0
        found = isi.explain(model, x, target=0)
        np.testing.assert_allclose(found.logits, ops.convert_to_numpy(model(x)), rtol=1e-5)
        kept = compiling._fingerprint(model)
        assert kept == compiling._fingerprint(model)

    def test_what_is_no_number_hides_no_other_difference(self):
        draw = np.random.default_rng(0)
        odd = layers.Lambda(
            lambda x: ops.add(ops.log(x), ops.convert_to_tensor(draw.normal(size=3), "float32"))
        )
        model = keras.Sequential([keras.Input((3,)), odd, layers.Dense(2)])
        x = np.array([[1, 2, 3], [-1, 2, 3], [3, 1, 1]], "float32")
        with pytest.raises(ValueError, match="computes other than it does when it is called"):
            isi.explain(model, x)

    def test_training_changes_nothing_but_weights(self):
        class Own(keras.Model):
            def __init__(self):
                super().__init__()
                self.hidden, self.last, self._factor = layers.Dense(4), layers.Dense(2), 2.0

            def call(self, x):
                return self.last(self.hidden(x)) * self._factor

        model, x, y = Own(), np.ones((4, 3), "float32"), np.zeros((4, 2))
        model.compile("sgd", "mse")
        model.fit(x, y, verbose=0)
        kept = compiling._fingerprint(model)
        seen = []
        look = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: seen.append(compiling._fingerprint(model))
        )
        model.fit(x, y, validation_data=(x, y), epochs=2, verbose=0, callbacks=[look])
        model.predict(x, verbose=0)
        assert {kept} == {*seen, compiling._fingerprint(model)}
        model._factor = 3.0
        assert kept != compiling._fingerprint(model)

    def test_few_are_kept(self, raw):
        model, x, _ = raw
        for step in range(12):
            isi.Attack("sensitivity", isi.Linf(0.01 * (step + 1)), max_steps=1)(model, x)
        assert len(compiling._KEPT[model]) <= 8


def test_layers_are_found_in_every_container():
    inner = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4), layers.Dense(4, activation=layers.ReLU())]
    )
    x = keras.Input((4,))
    functional = keras.Model(x, ops.add(inner(x), layers.Dense(4)(x)))
    model = Subclassed(functional, layers.Softmax())
    model(np.ones((1, 4), "float32"))
    found = [type(node).__name__ for node in parts.nodes(model)]
    assert {name: found.count(name) for name in ("Add", "Dense", "Softmax")} == {
        "Add": 1,
        "Dense": 3,
        "Softmax": 1,
    }


class TestValues:
    """One output that is no class: regression."""

    kernel = np.array([[1.0], [-2.0], [0.5]], "float32")
    x = np.array([[1.0, 2.0, 2.0], [3.0, 0.0, 2.0]], "float32")

    def regressor(self, final=None):
        model = keras.Sequential([keras.Input((3,)), layers.Dense(1, final, use_bias=False)])
        model.set_weights([self.kernel])
        return model

    @pytest.mark.parametrize("indicator", ["relevance", "epsilon", "gradient_x_input"])
    def test_a_value_is_explained_whatever_its_sign(self, indicator):
        found = isi.explain(self.regressor(), self.x, indicator=indicator)
        np.testing.assert_allclose(found.logits, self.x @ self.kernel)
        np.testing.assert_allclose(found.relevance, self.x * self.kernel[:, 0], rtol=1e-5)
        assert found.target.tolist() == [0, 0]

    def test_of_any_end_on_request(self):
        model = self.regressor("softplus")
        with pytest.raises(ValueError, match=r"isi_keras.outputs\(model\)"):
            isi.explain(model, self.x)
        found = isi.explain(isi.outputs(model), self.x, conservation=True)
        wanted = np.logaddexp(0, self.x @ self.kernel)
        np.testing.assert_allclose(found.logits, wanted, rtol=1e-5)
        np.testing.assert_allclose(found.relevance.sum(1), wanted[:, 0], rtol=1e-4)
        close_to = ops.convert_to_numpy(isi.outputs(model)(self.x))
        np.testing.assert_allclose(close_to, wanted, rtol=1e-5)

    def test_probabilities_can_be_values(self):
        model = small_network()
        x = images(2)
        np.testing.assert_allclose(
            isi.outputs(model).predict(x), model.predict(x, verbose=0), rtol=1e-5
        )
        assert np.abs(isi.outputs(model).predict(x) - isi.logits(model).predict(x)).max() > 0.1

    def test_a_value_is_no_class(self):
        model = self.regressor()
        with pytest.raises(ValueError, match="1 value"):
            isi.Attack(bounds=(-9, 9))(model, self.x)
        with pytest.raises(ValueError, match="one value"):
            isi.explain(model, self.x, against=0)
        with pytest.raises(ValueError, match="one value"):
            isi.explain(model, self.x, indicator=isi.JacobianSaliency())
        two = isi.explain(isi.logits(model, from_logits=True), self.x)
        assert two.logits.shape == (2, 2)
