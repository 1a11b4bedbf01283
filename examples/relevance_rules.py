"""The same decisions under six rules: what a rule of relevance propagation decides about a map.

python examples/relevance_rules.py [--quick] [--out FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np

import isi_keras as isi
from isi_keras.plotting import images, panels, style
from isi_keras.results import write_atomically

BOX = isi.composites.epsilon_gamma_box(-1, 1)  # the least and the greatest value of a pixel
RULES = {
    "z": ("z (gradient\n\N{MULTIPLICATION SIGN} input)", "z"),
    "epsilon": ("epsilon", "epsilon"),
    "epsilon_plus": ("epsilon_\nplus", "epsilon_plus"),
    "epsilon_alpha2beta1": ("epsilon_\nalpha2beta1", "epsilon_alpha2beta1"),
    "epsilon_plus_flat": ("epsilon_\nplus_flat", "epsilon_plus_flat"),
    "epsilon_gamma_box": ("epsilon_\ngamma_box", BOX),
}
NOTE = (
    "What is red speaks for the predicted class, what is blue against it. Each map has its own\n"
    "colour scale, symmetric about zero; the number below the map is its greatest magnitude."
)


def main():
    options = parse()
    model, (x, y) = isi.zoo.load("lenet-mnist")
    digits = (7, 2) if options.quick else (7, 2, 0, 4)
    x = x[[np.argmax(y == digit) for digit in digits]]
    found = {
        name: isi.explain(model, x, indicator=isi.Relevance(rule), conservation=True)
        for name, (_, rule) in RULES.items()
    }
    print(table(found))
    save(draw(found), options.out / "relevance_rules.png")


def table(found):
    """Where the logit went under each rule, means over the images; a line for each rule."""
    head = f"{'mean of the images':<22}{'logit':>8}{'relevance':>11}{'biases':>8}{'padding':>9}"
    lines = [f"{head}{'share of biases':>17}"]
    for name, explanation in found.items():
        report = {key: part.mean() for key, part in explanation.conservation.items()}
        numbers = f"{report['explained']:>8.2f}{report['inputs']:>11.2f}{report['bias']:>8.2f}"
        share = report["bias"] / report["explained"]
        lines.append(f"{name:<22}{numbers}{report['padding']:>9.2f}{share:>17.2%}")
    return "\n".join(lines)


def draw(found):
    """A row for each image: the input, then its map under each rule, each on its own scale."""
    first = next(iter(found.values()))
    inputs = images.as_images(first.x, (-1, 1))
    maps = [images.as_maps(each.relevance) for each in found.values()]
    count, columns = len(first), 1 + len(maps)
    side = style.WIDTH / (columns + 0.75)
    with style.context():
        height = count * (side + style.LINE + 0.06) + 3.6 * style.LINE
        figure = style.figure(style.WIDTH, height, layout="compressed")
        figure.get_layout_engine().set(w_pad=0.03, h_pad=0.035)
        axes = figure.subplots(count, columns)
        for index, row in enumerate(axes):
            panels.draw_image(row[0], inputs[index])
            logit = first.logits[index, first.target[index]]
            row[0].set_ylabel(f"predicted {first.prediction[index]}\nlogit {logit:.1f}", labelpad=3)
            for ax, values in zip(row[1:], maps, strict=True):
                limit = panels.limit_of(values[index])
                panels.draw_signed(ax, values[index], limit)
                ax.set_xlabel(f"±{style.number(limit, 2)}", fontsize=style.SMALL, labelpad=2)
        axes[0, 0].set_title("input")
        for ax, (title, _) in zip(axes[0, 1:], RULES.values(), strict=True):
            ax.set_title(title)
        scale(figure, axes)
        figure.supxlabel(NOTE, fontsize=style.SMALL, color=style.MUTED)
    return figure


def scale(figure, axes):
    """One colour bar for all maps; its ends are the number below each."""
    image = axes[0, -1].images[0]
    limit = image.get_clim()[1]
    bar = figure.colorbar(image, ax=axes, shrink=0.5, aspect=22, pad=0.01)
    bar.set_ticks([-limit, 0, limit], labels=["\N{MINUS SIGN}", "0", "+"])
    bar.ax.tick_params(labelsize=style.TEXT, length=2, width=0.6, pad=2)
    bar.outline.set_linewidth(0.6)
    bar.set_label("relevance", size=style.SMALL, labelpad=2)


def save(figure, path):
    write_atomically(path, lambda file: figure.savefig(file, format="png"))
    print("wrote", path)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer samples, for a test")
    parser.add_argument("--out", type=Path, default=Path("figures/examples"), metavar="FOLDER")
    return parser.parse_args()


if __name__ == "__main__":
    main()
