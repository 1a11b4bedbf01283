"""Does a map change when the network is made random? One that does not looks at the input alone.

Layers become random from the top of the network down, each joining those before it; what is drawn
is how alike the map stays to that of the trained network.

python examples/random_networks.py [--quick] [--out FOLDER]
"""

import argparse
import json
from functools import partial
from pathlib import Path

import keras

import isi_keras as isi
from isi_keras.results import write_atomically

INDICATORS = ("epsilon", "epsilon_plus", "epsilon_alpha2beta1", "sensitivity")


def main():
    options = parse()
    model, (x, _) = isi.zoo.load("lenet-mnist")
    x = x[: 4 if options.quick else 200]
    found = {
        name: isi.parameter_randomisation(model, x, indicator=name, batch_size=100)
        for name in INDICATORS[: 2 if options.quick else None]
    }
    numbers = {name: similarity(result) for name, result in found.items()}
    for name, row in numbers.items():
        print(f"{name:<22}" + "".join(f"{layer} {value:6.3f}   " for layer, value in row.items()))
    figure = isi.plotting.randomisation(found).figure
    save(options, {"images": len(x), "similarity": "rank correlation"} | numbers, figure)


def similarity(result):
    """The mean over the images after each layer."""
    means = result.similarity.mean(axis=0)
    return {str(layer): float(mean) for layer, mean in zip(result.layers, means, strict=True)}


def save(options, numbers, figure):
    """The picture in two forms, and beside it the numbers with the command that made them."""
    path = options.out / Path(__file__).name
    for kind in ("png", "pdf"):
        write = partial(figure.savefig, format=kind)
        print("wrote", write_atomically(path.with_suffix(f".{kind}"), write))
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
