"""Reviews whose words are coloured by their relevance for the predicted class.

python examples/token_relevance.py [--quick] [--out FOLDER]
"""

import argparse
import json
from functools import partial
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras.results import write_atomically

PRAISE = ["brilliant", "wonderful", "moving", "funny", "charming"]
BLAME = ["dull", "boring", "weak", "terrible", "clumsy"]
NEUTRAL = ["a", "story", ",", "acting", "and", "rather", "ending"]
VOCABULARY = ["", *sorted([*PRAISE, *BLAME, *NEUTRAL])]
NUMBER = {word: number for number, word in enumerate(VOCABULARY)}
REVIEWS = [
    "a brilliant story , dull acting and a moving ending",
    "a weak story , funny acting and a terrible ending",
]


def main():
    options = parse()
    rng = np.random.default_rng(0)
    texts, labels = zip(*(review(rng) for _ in range(400)), strict=True)
    x, y = as_ids(texts), np.array(labels)
    model = network()
    model.fit(x[:300], y[:300], epochs=3 if options.quick else 20, verbose=0)
    accuracy = model.evaluate(x[300:], y[300:], verbose=0)[1]
    print(f"{accuracy:.0%} of new reviews are understood")
    reviews = [text.split() for text in REVIEWS]
    explanation = isi.explain(model, as_ids(reviews), tokens=VOCABULARY)
    report = {"accuracy": accuracy, "prediction": explanation.prediction.tolist()}
    for number, words in enumerate(reviews):
        carried = explanation.relevance[number, : len(words)].tolist()
        report[" ".join(words)] = [round(value, 3) for value in carried]
        print(" ".join(f"{word} {value:+.2f}" for word, value in zip(words, carried, strict=True)))
    figure = isi.plotting.style.figure(7, 0.95)
    limit = float(np.abs(explanation.relevance).max()) if options.quick else 4
    for index, ax in enumerate(figure.subplots(1, 2)):
        isi.plotting.text(explanation, index, limit=limit, classes=["bad", "good"], ax=ax)
    save(options, report, figure)


def review(rng):
    """The words of a review of three opinions, and whether most of them are good."""
    liked = rng.integers(0, 2, 3)
    first, second, third = (rng.choice(PRAISE if opinion else BLAME) for opinion in liked)
    text = f"a {first} story , {second} acting and a rather {third} ending"
    return text.split(), int(liked.sum() > 1)


def as_ids(texts, length=12):
    """The ids of the words, 0 after the last."""
    ids = np.zeros((len(texts), length), "int32")
    for row, text in zip(ids, texts, strict=True):
        row[: len(text)] = [NUMBER[word] for word in text]
    return ids


def network():
    """The mean of the words' embeddings, and two dense layers."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((12,), dtype="int32"),
            keras.layers.Embedding(len(VOCABULARY), 8, mask_zero=True),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(8, "relu"),
            keras.layers.Dense(2, "softmax"),
        ]
    )
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"])
    return model


def save(options, numbers, figure):
    """The picture, and beside it the numbers with the command that made them."""
    path = options.out / Path(__file__).with_suffix(".png").name
    print("wrote", write_atomically(path, partial(figure.savefig, format="png")))
    command = f"python examples/{path.stem}.py{' --quick' * options.quick}"
    made = {"command": command, "keras": keras.__version__, "backend": keras.backend.backend()}
    text = json.dumps(made | numbers, indent=2) + "\n"
    path = path.with_suffix(".json")
    print("wrote", write_atomically(path, lambda file: file.write(text.encode())))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer samples, for a test")
    parser.add_argument("--out", type=Path, default=Path("figures/examples"), metavar="FOLDER")
    return parser.parse_args()


if __name__ == "__main__":
    main()
