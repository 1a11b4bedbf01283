"""Nobody notices that a model is being explained, and whoever explains notices nobody."""

import concurrent.futures
import copy
import gc
import os
import pickle
import threading
import weakref

import keras
import numpy as np
import pytest
from keras import layers, ops
from makers.networks import images, small_network

import isi_keras as isi
from isi_keras.models import compiling, held


class Beside:
    """Calls a function again and again in another thread, and keeps what it raised."""

    def __init__(self, function):
        self.error, self.calls, self._function = None, 0, function
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            while not self._ended.is_set() or not self.calls:
                self._function()
                self.calls += 1
        except Exception as error:
            self.error = error

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        if self.error is not None:
            raise self.error


def state(model):
    """Everything that a layer holds, and the values of all variables."""
    nodes = [model, *model.layers]
    held = [{name: id(value) for name, value in vars(node).items()} for node in nodes]
    inner = [(len(node._inbound_nodes), len(node._outbound_nodes)) for node in nodes]
    return held, inner, [ops.convert_to_numpy(v) for v in model.variables]


def same(one, other):
    assert one[:2] == other[:2]
    for before, after in zip(one[2], other[2], strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("indicator", ["epsilon_plus", "sensitivity"])
def test_predictions_beside_an_explanation(indicator):
    model, x = small_network(), images(6)
    wanted = ops.convert_to_numpy(model(x))
    alone = isi.explain(model, x, indicator=indicator)
    before = state(model)

    def predict():
        np.testing.assert_array_equal(ops.convert_to_numpy(model(x)), wanted)

    with Beside(predict) as beside:
        for _ in range(6):
            compiling._KEPT.pop(model, None)
            found = isi.explain(model, x, indicator=indicator)
            np.testing.assert_allclose(found.relevance, alone.relevance, atol=1e-6)
        result = isi.Attack(indicator, max_steps=5)(model, x)
    assert beside.calls > 0
    same(before, state(model))
    again = isi.Attack(indicator, max_steps=5)(model, x)
    np.testing.assert_array_equal(result.adversarial, again.adversarial)


USES = {
    "explain": lambda model, x: isi.explain(model, x, indicator="epsilon").relevance,
    "attack": lambda model, x: isi.Attack("sensitivity", max_steps=3)(model, x).adversarial,
    "logits": lambda model, x: ops.convert_to_numpy(isi.logits(model)(x)),
    "randomised": lambda model, x: isi.parameter_randomisation(model, x[:4]).similarity,
}


LOOPS = [*((use, "fit") for use in USES), ("explain", "evaluate"), ("explain", "predict")]


@pytest.mark.parametrize(("use", "loop"), LOOPS)
def test_beside_loops_of_keras(use, loop):
    beside_a_loop(use, loop)


@pytest.mark.once(on="jax")
def test_beside_loops_of_keras_on_jax():
    """All of them, as the weights are with Keras meanwhile."""
    for use, loop in LOOPS:
        beside_a_loop(use, loop)


def beside_a_loop(use, loop):
    """The weights are seen as they are at some time, also where Keras lends them to its steps."""
    model, x = small_network(), images(16)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.optimizer.learning_rate.assign(0.0)  # so that what is right does not change
    y = np.arange(16) % 3
    model.fit(x, y, verbose=0)
    wanted = USES[use](model, x)
    run = {
        "fit": lambda: model.fit(x, y, epochs=3, batch_size=2, verbose=0),
        "evaluate": lambda: model.evaluate(x, y, batch_size=2, verbose=0),
        "predict": lambda: model.predict(x, batch_size=2, verbose=0),
    }
    with Beside(run[loop]) as beside:
        compiling._KEPT.pop(model, None)
        for _ in range(3):
            np.testing.assert_allclose(USES[use](model, x), wanted, atol=1e-5)
    assert beside.calls > 0


@pytest.mark.once(on="jax")
def test_what_an_older_step_returned_is_not_taken_for_the_weights():
    """It stays with the model, while the first step of a loop is compiled, for example."""
    model, x = small_network(), images(16)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.optimizer.learning_rate.assign(0.0)
    y = np.arange(16) % 3
    model.train_on_batch(x, y)
    model.test_on_batch(x, y)
    isi.explain(model, x, indicator="epsilon")
    model.set_weights([0.5 * weight for weight in model.get_weights()])
    wanted = isi.explain(model, x, indicator="epsilon").logits
    fits = threading.Thread(target=lambda: model.fit(x, y, epochs=3, batch_size=5, verbose=0))
    fits.start()
    while fits.is_alive():
        found = isi.explain(model, x, indicator="epsilon").logits
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    fits.join()


@pytest.mark.once(on="jax")
def test_the_first_explanation_beside_the_first_fit():
    for _ in range(3):
        model, x = small_network(), images(16)
        model.compile("sgd", "sparse_categorical_crossentropy")
        with Beside(lambda model=model, x=x: model.fit(x, np.arange(16) % 3, verbose=0)):
            isi.explain(model, x, indicator="epsilon")


@pytest.mark.once(on="jax")
def test_weights_that_another_model_is_fit_with(monkeypatch):
    """Nobody knows where those are, and the error says so."""
    inner, seen = small_network(), []
    outer = keras.Sequential([inner])
    outer.compile("sgd", "sparse_categorical_crossentropy")

    class Asks(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(isi.explain(inner, images(2)).relevance)

        def on_train_batch_end(self, batch, logs=None):
            with pytest.raises(RuntimeError, match="may be a part of the one that is fit"):
                isi.explain(inner, images(2))  # at once: nobody else could bring them

    inner.compile("sgd", "sparse_categorical_crossentropy")
    outer.fit(images(4), np.zeros(4), verbose=0, callbacks=[Asks()])
    assert len(seen) == 1
    monkeypatch.setattr(held, "_PATIENCE", (0.1, 0.1))
    for variable in inner.variables:
        variable._value = None  # as fit does
    with pytest.raises(RuntimeError, match="may be a part of the one that is fit"):
        isi.explain(inner, images(2))
    for variable in outer.variables:  # as a step does that fails
        variable._value = ops.zeros(variable.shape)
        variable._value.delete()
    with pytest.raises(RuntimeError, match="or a step of training has failed"):
        isi.explain(outer, images(2))


def test_eight_threads_give_what_each_gives_alone():
    """On two models at once, nothing of which is compiled yet."""
    models, x = [small_network(), small_network()], images(6)
    models[1].set_weights([1.5 * weight for weight in models[0].get_weights()])
    jobs = [
        job
        for model in models
        for job in (
            lambda model=model: isi.explain(model, x, indicator="epsilon_plus").relevance,
            lambda model=model: isi.explain(model, x, indicator="sensitivity").relevance,
            lambda model=model: isi.Attack("sensitivity", max_steps=3)(model, x).adversarial,
            lambda model=model: ops.convert_to_numpy(model(x)),
        )
    ]
    alone = [job() for job in jobs]
    before = [state(model) for model in models]
    for model in models:
        compiling._KEPT.pop(model)
    together = threading.Barrier(8)

    def run(number):
        together.wait()
        return jobs[number]()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for found, wanted in zip(pool.map(run, range(8)), alone, strict=True):
            np.testing.assert_array_equal(found, wanted)
    for model, one in zip(models, before, strict=True):
        same(one, state(model))


METHODS = [
    isi.Attack("epsilon_plus", max_steps=3),
    isi.JSMA(bounds=(-1, 1)),
    isi.MinimalL0(budget=12),
    isi.Relevance("epsilon_gamma_box"),
    isi.SmoothGrad(samples=2),
    isi.IntegratedGradients(steps=3),
]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_methods_are_pickled_and_copied(method):
    """Also after they ran: what was compiled is of the model, not of the method."""
    model, x = small_network(), images(3)

    def run(one):
        attacks = hasattr(one, "domain")
        return (
            one(model, x).adversarial if attacks else isi.explain(model, x, indicator=one).relevance
        )

    found = run(method)
    for again in (pickle.loads(pickle.dumps(method)), copy.deepcopy(method)):
        assert again.get_config() == method.get_config()
        np.testing.assert_array_equal(run(again), found)


def resident():
    """Bytes of memory that this process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.large
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read in /proc")
def test_three_hundred_models_leave_nothing():
    """Models and what was traced of them go together, and memory stays as it is."""
    x, held, kept = images(4), [], len(compiling._KEPT)
    for number in range(300):
        model = small_network()
        isi.explain(model, x, indicator="epsilon_plus")
        isi.Attack("sensitivity", max_steps=2)(model, x)
        gone = weakref.ref(model)
        del model
        gc.collect()
        assert gone() is None, number
        held.append(resident())
    assert len(compiling._KEPT) <= kept
    assert held[299] - held[99] < 100e6, [round(one / 1e6) for one in held[::50]]


class Failing(layers.Layer):
    fails = False

    def call(self, x):
        if Failing.fails:
            raise ArithmeticError("broken")
        return x


@pytest.mark.parametrize("indicator", ["epsilon_plus", "sensitivity"])
def test_an_exception_leaves_the_model_as_it_was(indicator, monkeypatch):
    x = keras.Input((4,))
    h = layers.Dense(5, "relu")(x)
    model = keras.Model(x, layers.Dense(3, "softmax")(Failing()(h)))
    data = np.ones((2, 4), "float32")
    model(data)
    before = state(model)
    monkeypatch.setattr(Failing, "fails", True)
    for attempt in (
        isi.explain,
        lambda *given, **options: isi.Attack("sensitivity", bounds=(0, 1))(*given),
    ):
        with pytest.raises(ArithmeticError, match="broken"):
            attempt(model, data, indicator=indicator)
    same(before, state(model))
    monkeypatch.setattr(Failing, "fails", False)
    assert isi.explain(model, data, indicator=indicator).relevance.any()


def test_a_layer_outside_of_attributes_forgets_that_it_was_traced():
    """One without weights may be held where no shadow stands for it."""
    pool = layers.GlobalMaxPooling1D()

    class Holding(keras.Model):
        def __init__(self):
            super().__init__()
            self.out, self.pooled = layers.Dense(3), lambda x: pool(x)

        def call(self, x):
            return self.out(self.pooled(ops.exp(x)))

    model, x = Holding(), np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    model(x)
    found = isi.explain(model, x, conservation=True)
    assert not pool._inbound_nodes
    assert not pool._outbound_nodes
    np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-4)
