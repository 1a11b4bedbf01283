"""Callbacks for Keras' `fit`: robustness and explanations, epoch by epoch."""

import dataclasses
import io
import os
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from isi_keras import _checks, attacks, evaluation, indicators, models, results
from isi_keras.attacks import goal_in_training, labels
from isi_keras.explanations import explain
from isi_keras.models import sourced
from isi_keras.training import AdversarialTraining

_DOTS, _DRAWN = 150, 12


class _Watching(keras.callbacks.Callback):
    """Base of the callbacks: something is looked at every few epochs.

    The first epoch is looked at, each `every`-th after it, and the last.
    """

    def __init__(self, every: int):
        super().__init__()
        self.every = _checks.integer("every", every, 1)
        self._first: int | None = None

    def on_train_begin(self, logs=None):
        """Starts counting."""
        self._first = None

    def on_epoch_end(self, epoch, logs=None):
        """Looks at the model, if it is the time."""
        self._first = epoch if self._first is None else self._first
        last = (self.params or {}).get("epochs")
        if (epoch - self._first) % self.every == 0 or epoch + 1 == last:
            self._look(epoch, {} if logs is None else logs)

    @property
    def watched(self) -> keras.Model:
        """The model that is trained; of an `AdversarialTraining` the one it wraps."""
        model = self.model
        return model.model if isinstance(model, AdversarialTraining) else model

    def _look(self, epoch: int, logs: dict[str, Any]) -> None:
        raise NotImplementedError


class RobustnessMonitor(_Watching):
    """Attacks the same samples again after each epoch, and writes into its logs what came of it.

    | log | what it is |
    |---|---|
    | `val_robust_accuracy` | share of samples that are predicted right and not turned |
    | `val_attack_success` | share of the attacked samples, those predicted right, that are turned |
    | `val_attack_l0_mean` | mean number of changed inputs of those that are turned |
    | `val_attack_l0_median` | median over all attacked samples, infinite for one not turned |
    | `val_attack_seconds` | what it cost, in seconds |
    | `val_robust_accuracy_at_K` | robust accuracy if at most K inputs may change; see `budgets` |

    `History`, `EarlyStopping`, `ModelCheckpoint`, `CSVLogger`, `TensorBoard` and
    `ReduceLROnPlateau` see them like any other, **if they come after this callback in the list**:
    Keras calls callbacks in order. (One that comes before finds nothing, and Keras warns that the
    metric is not available.) Pass `mode="max"` to those that watch an accuracy.

    Where the attack counts positions (`unit="position"`), so do these numbers.

    The attack uses the weights as they are after the epoch, is compiled once, and changes neither
    the model nor the course of training. Without a success the mean is NaN. A sample for which the
    model returns NaN or infinity is neither right nor robust, and no success; if all are so, what
    is a share or a statistic of the attacked samples is NaN, which no checkpoint prefers.

    What is wrong with the samples, the labels or the attack is said when training begins: the
    attack then runs on all of them, with `max_steps` 1 if it has such a field.

    With `target` the attack is to reach a class, with `leave` it starts from some classes only, as
    in "an 8 that becomes a 3": `leave=8, target=3`. The logs then are of the samples of these
    classes that are not of the target already.

    Args:
        attack: an `Attack`, a `JSMA` or another attack, or the name of one.
        x: the samples, as the attack takes them, within its bounds. A few hundred do: the cost is
            that of attacking them once in each epoch. Or a source of samples, as `run` takes them,
            that gives the same ones each time it is read: a path, a `tf.data.Dataset`, a
            `keras.utils.PyDataset`, a torch DataLoader, a function that makes a generator.
        y: their true labels, `(N,)`; `None` for those of a source, or for a goal about values,
            which are not right or wrong: what was not turned counts as robust.
        every: how many epochs lie between two attacks. The first epoch is looked at, each
            `every`-th after it, and the last; in those between the logs lack these names.
        budgets: numbers of changed inputs, at each of which robust accuracy is wanted.
        batch_size: how many samples are attacked at once; `None` as in attacks.
        target: the class to reach; `None` for any other than the true one.
        leave: the class, or classes, whose samples are attacked; `None` for all.
        goal: a goal of `isi_keras.goals` in place of a target; `y` as the goal takes it.
        moving: as `logits` takes it; if `None`, that of an `AdversarialTraining`.

    Attributes:
        result: the last `AttackResult`, `None` before the first. `evaluate` it, or draw
            `plotting.robust_accuracy`.
        curves: by epoch the robust accuracies at the numbers of `budgets`, an array.

    Raises:
        TypeError: if the attack is none.
        ValueError: if `every`, `budgets` or `batch_size` is out of its range, the numbers of
            samples and labels differ, or no sample is of the classes that are attacked. When
            training begins: whatever the attack says of the model, the samples and the labels.

    Example:
        >>> import keras, isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> model.compile("adam", "sparse_categorical_crossentropy")
        >>> attack = isi.Attack("relevance", "l0", max_steps=10, bounds=(-1, 1))
        >>> monitor = isi.callbacks.RobustnessMonitor(attack, x[:16], y[:16], budgets=(5, 10))
        >>> stop = keras.callbacks.EarlyStopping("val_robust_accuracy", mode="max")
        >>> log = model.fit(x[:64], y[:64], callbacks=[monitor, stop], verbose=0).history
        >>> log["val_robust_accuracy"] == log["val_robust_accuracy_at_10"]
        True
    """

    def __init__(
        self,
        attack: Any,
        x,
        y=None,
        *,
        every: int = 1,
        budgets: Sequence[int] = (),
        batch_size: int | None = None,
        target: int | None = None,
        leave: Any = None,
        goal: Any = None,
        moving: Any = None,
    ):
        super().__init__(every)
        self.budgets = tuple(_checks.integer("budgets", budget, 0) for budget in budgets)
        (self.target, self.leave), self.moving = labels.aim(target, leave), moving
        self.goal = None if goal is None else goal_in_training.chosen(goal, self.target, self.leave)
        self.attack = attacks.get(attack)
        aim = self.target, self.leave, self.goal
        self.x, self.y, self.goal = labels.samples_to_attack(x, y, *aim)
        self.batch_size, self._portion = batch_size, sourced.portion(batch_size)
        self.result: results.AttackResult | None = None
        self.curves: dict[int, np.ndarray] = {}

    def on_train_begin(self, logs=None):
        """Forgets an earlier training, and makes a step of the attack to see that it runs."""
        super().on_train_begin(logs)
        self.result, self.curves = None, {}
        with warnings.catch_warnings():  # they come again, and with the whole attack behind them
            warnings.simplefilter("ignore")
            names = [field.name for field in dataclasses.fields(self.attack)]  # pyright: ignore
            short = {"max_steps": 1} if "max_steps" in names else {}
            self._attacked(dataclasses.replace(self.attack, **short))  # pyright: ignore

    def _attacked(self, attack) -> results.AttackResult:
        source = sourced.source_of(self.watched, self.x, self.y, attack.domain)
        x, y, of_values = self.x, self.y, self.goal is not None and self.goal.of_values
        if source is not None:
            x = labels.stream_to_attack(source, self.target, self.leave, self._portion)
            y = False if of_values else None
        trained = self.model.moving if isinstance(self.model, AdversarialTraining) else None
        model = models.logits(self.watched, moving=self.moving or trained)
        asked = {"target": self.target, "goal": self.goal, "batch_size": self.batch_size}
        found = attack(model, x, y=y, **asked)
        if found.y is None and not of_values:
            raise ValueError("Robust accuracy needs true labels: y=..., or a source with them.")
        return dataclasses.replace(found, y=found.clean_prediction) if found.y is None else found

    def _look(self, epoch, logs):
        began = time.perf_counter()
        result = self._attacked(self.attack)
        measure = f"l0_{self.attack.unit}"
        changed = evaluation.lost_at(result, measure)
        attacked, turned = result.attacked, result.success
        robust, *at = evaluation.robust_within(
            result, [np.inf, *self.budgets], measure=measure
        ).tolist()
        logs |= {
            "val_robust_accuracy": robust,
            "val_attack_success": _statistic(np.mean, turned[attacked]),
            "val_attack_l0_mean": _statistic(np.mean, changed[turned]),
            "val_attack_l0_median": _statistic(np.median, changed[attacked]),
            **{f"val_robust_accuracy_at_{k}": v for k, v in zip(self.budgets, at, strict=True)},
            "val_attack_seconds": time.perf_counter() - began,
        }
        self.result, self.curves[epoch] = result, np.array(at)


class ExplanationLogger(_Watching):
    """Draws the maps of the same samples again after each epoch.

    Each is a picture `epoch-0001.png` and so on in a folder, counted from 1 as by Keras; and, if
    asked for, an image in the log that TensorBoard shows.

    Args:
        indicator: a name such as `"relevance"` or `"sensitivity"`, or an `Indicator`.
        x: the samples, `(N, ...)`; the first 12 are drawn. Or a source of samples, as `run` takes
            them, of which the first 12 are read once.
        folder: where to write; it is created.
        target: the class to explain, one for all samples or `(N,)`; `None` for the predicted one,
            which may change from epoch to epoch.
        every: how many epochs lie between two pictures. The first epoch is drawn, each `every`-th
            after it, and the last.
        classes: the names of the classes; their numbers if `None`.
        tensorboard: a folder of TensorBoard's logs, such as the `log_dir` of Keras' `TensorBoard`;
            it needs the package `tensorboard`, whatever the backend. `None` for no log.

    Attributes:
        explanation: the last `Explanation`, `None` before the first.
        paths: the pictures that were written.

    Raises:
        ValueError: if the indicator is unknown or `every` is out of its range.
        ImportError: if `tensorboard` is asked for and not installed.

    Example:
        >>> import tempfile, isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> model.compile("adam", "sparse_categorical_crossentropy")
        >>> logger = isi.callbacks.ExplanationLogger("relevance", x[:2], tempfile.mkdtemp())
        >>> _ = model.fit(x[:64], y[:64], callbacks=[logger], verbose=0)
        >>> [path.name for path in logger.paths]
        ['epoch-0001.png']
    """

    def __init__(
        self,
        indicator: Any,
        x,
        folder: str | os.PathLike,
        *,
        target=None,
        every: int = 1,
        classes: Sequence[str] | None = None,
        tensorboard: str | os.PathLike | None = None,
    ):
        super().__init__(every)
        self.indicator, self.x, self.folder = indicators.get(indicator), x, results.as_path(folder)
        self.target, self.classes = target, classes
        self.explanation: results.Explanation | None = None
        self.paths: list[Path] = []
        self._writer = None if tensorboard is None else _writer(tensorboard)

    def on_train_end(self, logs=None):
        """Lets TensorBoard see all of it."""
        if self._writer is not None:
            self._writer.flush()

    def _look(self, epoch, logs):
        from isi_keras import plotting  # computing alone imports no Matplotlib

        source = sourced.source_of(self.watched, self.x)
        if source is not None:
            target: Any = self.target
            sourced.expect_order(source, {"target": target if np.ndim(target) else None})
            self.x = sourced.first_rows(source, _DRAWN)
            self.target = target[:_DRAWN] if np.ndim(target) else target
        found = explain.explain(self.watched, self.x, target=self.target, indicator=self.indicator)
        figure = plotting.heatmaps(found, classes=self.classes)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=_DOTS)
        path = self.folder / f"epoch-{epoch + 1:04d}.png"
        self.paths.append(
            results.write_atomically(path, lambda file: file.write(picture.getvalue()))
        )
        self.explanation = found
        if self._writer is not None:
            size = [round(inches * _DOTS) for inches in figure.get_size_inches()]
            self._writer.add_event(_event(picture.getvalue(), size, epoch))


def _writer(folder: str | os.PathLike):
    try:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter  # pyright: ignore
    except ImportError as error:
        raise ImportError(
            "Writing for TensorBoard needs its package: pip install tensorboard. Or leave "
            "`tensorboard` out; the pictures are written to the folder anyway."
        ) from error
    return EventFileWriter(os.fspath(folder))


def _event(picture: bytes, size: list[int], epoch: int):
    from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore
    from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore

    image = Summary.Image(width=size[0], height=size[1], encoded_image_string=picture)
    summary = Summary(value=[Summary.Value(tag="explanation", image=image)])
    return Event(wall_time=time.time(), step=epoch, summary=summary)


def _statistic(function, values: np.ndarray) -> float:
    return float(function(values)) if len(values) else float("nan")
