"""Where the logit goes under each composite: writes a table of `docs/architectures.md`.

Each model has seeded weights and statistics (`tests/makers/architectures.py`), so the numbers say
whether relevance is computed right, not what a trained model looks at.

    python scripts/relevance_shares.py [--only VGG16 ViT]
"""

import argparse
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
NUMBERS = ROOT / "figures" / "relevance" / "shares.json"
PAGE = ROOT / "docs" / "architectures.md"
COMPOSITES = (
    "epsilon",
    "epsilon_plus",
    "epsilon_plus_flat",
    "epsilon_alpha2beta1",
    "epsilon_alpha2beta1_flat",
    "epsilon_gamma_box",
)
BEGIN, END = "<!-- shares -->", "<!-- end of the shares -->"


def main():
    sys.path.insert(0, str(ROOT / "tests"))
    import keras
    from makers import architectures

    import isi_keras as isi

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=architectures.NAMES)
    options = parser.parse_args()
    isi.register(architectures.Position, "gradient")
    numbers = json.loads(NUMBERS.read_text()) if NUMBERS.exists() else {"models": {}}
    numbers["keras"], numbers["backend"] = keras.__version__, keras.config.backend()
    for name in options.only or architectures.NAMES:
        began = time.perf_counter()
        numbers["models"][name] = measured(isi, architectures, name)
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
        NUMBERS.parent.mkdir(parents=True, exist_ok=True)
        NUMBERS.write_text(json.dumps(numbers, indent=1) + "\n")
        write(numbers)


def measured(isi, architectures, name):
    """What becomes of the logit of each of two images under each composite."""
    import keras
    import numpy as np

    model, x = architectures.build(name), architectures.images(name, 2, 1)
    plain = keras.ops.convert_to_numpy(isi.logits(model)(x))
    found = {"parameters": model.count_params(), "size": x.shape[1], "composites": {}}
    found["layers"] = len(architectures.leaves(model))
    for composite in COMPOSITES:
        box = isi.composites.epsilon_gamma_box(float(x.min()) - 1, float(x.max()) + 1)
        rule = box if composite == "epsilon_gamma_box" else composite
        explanation = isi.explain(model, x, indicator=isi.Relevance(rule), conservation=True)
        report = explanation.conservation
        moved = sum(np.abs(report[key]) for key in report if key != "elsewhere")
        found["composites"][composite] = {
            "finite": bool(np.isfinite(explanation.relevance).all()),
            "logits": float(np.abs(explanation.logits - plain).max() / np.abs(plain).max()),
            "elsewhere": float((np.abs(report["elsewhere"]) / moved).max()),
            **{
                key: float((report[key] / report["explained"]).mean())
                for key in ("inputs", "bias", "epsilon", "padding")
            },
        }
    return found


def table(numbers) -> str:
    """The table in Markdown."""
    lines = [
        "| model | input | layers | logits differ by | not accounted for | "
        + " | ".join(f"`{name}`" for name in COMPOSITES)
        + " |",
        "|---|---|---|---|---|" + "---|" * len(COMPOSITES),
    ]
    for name, found in numbers["models"].items():
        reports = [found["composites"][composite] for composite in COMPOSITES]
        worst = [max(report[key] for report in reports) for key in ("logits", "elsewhere")]
        shares = [
            f"{report['inputs']:.2f} + {report['bias']:.2f}"
            + (
                f" + {rest:.2f}"
                if abs(rest := report["epsilon"] + report["padding"]) > 5e-3
                else ""
            )
            for report in reports
        ]
        lines.append(
            f"| {name} | {found['size']} | {found['layers']} | {worst[0]:.0e} | {worst[1]:.0e} | "
            + " | ".join(shares)
            + " |"
        )
    return "\n".join(lines)


def write(numbers):
    """Puts the table into the page, between its marks."""
    page = PAGE.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(numbers)}\n\n{END}{after}")


if __name__ == "__main__":
    main()
