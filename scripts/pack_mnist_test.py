"""Writes the MNIST test images that `isi_keras.zoo.load` ships.

The pixels are those of the original; only the split and the container differ.

    python scripts/pack_mnist_test.py
"""

import argparse
from pathlib import Path

import numpy as np
from train_lenet import mnist

from isi_keras.results import write_atomically

SHIPPED = Path(__file__).parents[1] / "isi_keras" / "data" / "mnist-test.npz"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, help="an .npz like that of keras.datasets.mnist; default: download it"
    )
    parser.add_argument("--out", type=Path, default=SHIPPED, help="where to write the .npz file")
    options = parser.parse_args(arguments)
    _, (x, y) = mnist(options.data)
    write_atomically(options.out, lambda file: np.savez_compressed(file, x=x, y=y))
    print(f"wrote {options.out}: {len(x)} images")


if __name__ == "__main__":
    main()
