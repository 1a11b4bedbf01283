"""`isi-keras plot`: the natural picture of each result, the others by name, and no backend."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from makers.commands import plain, run
from makers.results import (
    make_attack,
    make_ensemble,
    make_explanation,
    make_flipping,
    make_hardness,
    make_randomisation,
    make_text,
)
from skimage import io

from isi_keras import plotting
from isi_keras.cli.plot_kinds import word
from isi_keras.plotting import plots, style

TARGETED = {"target": np.array([1, 2, 3, 0, 1])}
RECORDS = {
    "examples": make_attack(),
    "targets": make_attack(**TARGETED),
    "changes": make_attack((8,)),
    "robust-accuracy": make_attack((6, 5, 2)),
    "heatmaps": make_explanation(),
    "text": make_text(),
    "hardness": make_hardness(),
    "faithfulness": make_flipping(),
    "randomisation": make_randomisation(),
    "robustness": make_ensemble(),
}
"""A record for which the key is the natural picture."""

DRAWABLE = {
    "AttackResult": make_attack(**TARGETED),
    "Explanation": make_explanation(),
    "HardnessResult": make_hardness(),
    "FlippingResult": make_flipping(),
    "RandomisationResult": make_randomisation(),
    "RobustnessResult": make_ensemble(),
}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were written."""
    seen = []

    def keep(figure, path):
        seen.append(figure)
        return write(figure, path)

    write = style.save_picture
    monkeypatch.setattr(style, "save_picture", keep)
    return seen


@pytest.mark.parametrize("name", RECORDS)
def test_the_natural_picture(tmp_path, name):
    RECORDS[name].save("r.npz")
    assert run("plot", "r.npz") == f"{name}: r-{name}.png\n"
    assert io.imread(tmp_path / f"r-{name}.png").std() > 0
    assert {path.name for path in tmp_path.iterdir()} == {"r.npz", f"r-{name}.png"}


@pytest.mark.parametrize(
    ("record", "kind"),
    [(kind.record.__name__, word(plot)) for kind in plots.KINDS for plot in plots.plots_of(kind)],
)
def test_every_picture_of_every_record(tmp_path, record, kind):
    (make_text() if kind.startswith("text") else DRAWABLE[record]).save("r.npz")
    suffix = {"animation": ".gif", "text-html": ".html"}.get(kind, ".pdf")
    assert run("plot", "r.npz", "--kind", kind, "--out", f"a/p{suffix}") == f"{kind}: a/p{suffix}\n"
    start = (tmp_path / "a" / f"p{suffix}").read_bytes()[:4]
    assert start == {".gif": b"GIF8", ".html": b"<!DO", ".pdf": b"%PDF"}[suffix]


def test_help_lists_every_plot():
    text = " ".join(plain(run("plot", "--help")).split())
    for plot in plotting.PLOTS.values():
        assert word(plot) in text


@pytest.mark.parametrize(
    "plot",
    [plot for plot in plotting.PLOTS.values() if plot.results != "one"],
    ids=lambda plot: plot.name,
)
def test_several_results_in_one_picture(tmp_path, drawn, plot):
    record, kind = DRAWABLE[plot.kinds[0].record.__name__], word(plot)
    record.save("one.npz")
    record.save("two.npz")
    assert run("plot", "one.npz", "two.npz", "--kind", kind) == f"{kind}: {kind}.png\n"
    run("plot", "one.npz", "two.npz", "--kind", kind, "--label", "first", "--label", "second")
    for figure, labels in zip(drawn, (("one", "two"), ("first", "second")), strict=True):
        texts = [ax.get_title() for ax in figure.axes] + [ax.get_ylabel() for ax in figure.axes]
        texts += [
            text.get_text()
            for ax in figure.axes
            if ax.get_legend() is not None
            for text in ax.get_legend().texts
        ]
        for label in labels:
            assert any(text.startswith(label) for text in texts), texts


def test_the_natural_picture_of_several():
    for number, (record, kind) in enumerate(
        {"AttackResult": "robust-accuracy", "Explanation": "indicators"}.items()
    ):
        DRAWABLE[record].save(f"a/{number}.npz")
        DRAWABLE[record].save(f"b/{number}.npz")
        assert run("plot", f"a/{number}.npz", f"b/{number}.npz") == f"{kind}: a/{kind}.png\n"


def test_files_of_the_same_name_are_told_apart(drawn):
    make_attack().save("a/r.npz")
    make_attack().save("b/r.npz")
    run("plot", "a/r.npz", "b/r.npz", "--kind", "distances")
    texts = [text.get_text() for text in drawn[0].axes[0].get_legend().texts]
    assert [text.partition(":")[0] for text in texts] == ["a/r", "b/r"]


def test_options_reach_the_plot(drawn):
    make_attack((8,)).save("table.npz")
    names = ",".join(f"f{n}" for n in range(8))
    words = ["--index", 3, "--index", 1, "--names", names, "--classes", "a, b, c, d"]
    run("plot", "table.npz", *words)
    rows = np.array(drawn[-1].axes).reshape(2, 3)
    assert [label.get_text() for label in rows[0, 0].get_yticklabels()] == ["f0", "f1", "f2", "f3"]
    assert rows[1, 0].get_xlabel() == "predicted b"
    make_attack().save("r.npz")
    run("plot", "r.npz", "--count", 2, "--limit", 0.5)
    assert len([ax for ax in drawn[-1].axes if ax.images]) == 6
    assert drawn[-1].axes[2 * 2].images[0].get_clim() == (-0.5, 0.5)
    run("plot", "r.npz", "--kind", "trajectory", "--index", 2, "--score", "logit")
    assert drawn[-1].axes[0].get_ylabel() == "logit"
    run("plot", "r.npz", "--kind", "distances", "--measure", "l2")
    assert drawn[-1].axes[0].get_xlabel() == "L2 distance"
    make_explanation((3, 6, 5)).save("e.npz")
    flags = ["--overlay", "--data-format", "channels_first"]
    run("plot", "e.npz", "--kind", "heatmap", *flags)
    assert len(drawn[-1].axes[0].images) == 2
    run("plot", "e.npz", "--bounds", -2, 2, "--data-format", "channels_first")
    assert drawn[-1].subfigs[0].axes[0].images[0].get_array().shape == (6, 5, 3)


def test_a_text(tmp_path, drawn):
    make_text("a fine film", "no").save("t.npz")
    run("plot", "t.npz", "--index", 1, "--limit", 2, "--classes", "a, b, c, d")
    ax = drawn[-1].axes[0]
    assert [word.get_text() for word in ax.texts] == ["no"]
    assert ax.get_title() == "predicted d, explained b, logit 11.3"
    assert ax.collections[0].get_clim() == (-2, 2)
    assert run("plot", "t.npz", "--kind", "text-html") == "text-html: t-text-html.html\n"
    assert ">fine</span>" in (tmp_path / "t-text-html.html").read_text("utf-8")
    make_explanation().save("e.npz")
    assert "Draw it with plotting.heatmaps" in run("plot", "e.npz", "--kind", "text", code=1)


def test_a_matrix_of_a_sweep(drawn):
    result = make_hardness()
    result.save("h.npz")
    expected = {
        "hardness": result.hardness(),
        "success": 100 * result.success_rate(0.02),
        "distortion": result.mean_distortion(0.02),
        "distance": result.adversarial_distance(),
    }
    for of, values in expected.items():
        run("plot", "h.npz", "--kind", "matrix", "--matrix", of, "--budget", 0.02)
        cells = drawn[-1].axes[0].collections[0].get_array().reshape(4, 4)
        np.testing.assert_allclose(cells.filled(np.nan), values)


@pytest.mark.parametrize("target", [None, np.array([1, 2, 2, 0, 1])])
def test_a_matrix_of_an_attack(drawn, target):
    success = np.array([True, True, False, True, False])
    stop = np.where(success, "success", "max_steps")
    result = make_attack(success=success, stop_reason=stop, target=target)
    result.save("r.npz")
    run("plot", "r.npz", "--kind", "matrix")
    ax = drawn[-1].axes[0]
    cells = ax.collections[0].get_array().reshape(4, 4).filled(np.nan)
    expected = np.full((4, 4), np.nan)
    # Of two samples of class 0 one was turned, into 1; that of class 2 was not.
    if target is None:
        expected[:] = 0
        np.fill_diagonal(expected, np.nan)
        expected[0, 1], expected[1, 2], expected[3, 0] = 50, 100, 100
    else:
        expected[0, 1], expected[1, 2], expected[2, 2], expected[3, 0] = 50, 100, 0, 100
    np.testing.assert_array_equal(cells, expected)
    assert ax.get_xlabel() == ("class reached" if target is None else "target class")


def test_an_input_of_several(drawn):
    one, two = make_explanation(), make_explanation((4,))
    dataclasses.replace(
        one,
        x={"image": one.x, "table": two.x},
        relevance={"image": one.relevance, "table": two.relevance},
    ).save("e.npz")
    assert "Choose one with --input: image, table." in plain(run("plot", "e.npz", code=2))
    run("plot", "e.npz", "--input", "table")
    assert not drawn[0].subfigs[0].axes[0].images
    make_explanation().save("one.npz")
    text = plain(run("plot", "one.npz", "--input", "table", code=2))
    assert "explanations of a model with several inputs" in text


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["none.npz"], 1, "There is no file 'none.npz'."),
        (["text.npz"], 1, "'text.npz' is not a result of isi_keras."),
        (["r.npz", "--kind", "exampels"], 2, "Did you mean 'examples'?"),
        (["r.npz", "--kind", "hardness"], 2, "The file holds AttackResult"),
        (["r.npz", "e.npz"], 2, "Expected files of one kind. Received: AttackResult and Explan"),
        (["r.npz", "r.npz", "--kind", "changes"], 2, "--kind changes draws one file."),
        (["r.npz", "--label", "a", "--label", "b"], 2, "for each of 1 results. Received: 2."),
        (["r.npz", "--out", "p.jpg"], 2, "Expected a picture that ends in .png, .pdf, .svg"),
        (["r.npz", "--kind", "animation", "--out", "p.png"], 2, "that ends in .gif. Received: "),
        (["r.npz", "--kind", "distances", "--index", 1], 2, "--index does not belong to --kind"),
        (
            ["r.npz", "--kind", "matrix", "--matrix", "success"],
            2,
            "--matrix does not belong to",
        ),
        (["h.npz", "--kind", "matrix", "--matrix", "sucess"], 1, "Did you mean 'success'?"),
        (["r.npz", "--kind", "trajectory", "--index", 1, "--index", 2], 2, "Pass --index once."),
        (["r.npz", "--index", 9], 1, "index 9, but the result holds 5 samples"),
        (["r.npz", "--classes", "a,b"], 1, "Received: 2 names, but a sample has class 2"),
        (["r.npz", "--kind", "distances", "--measure", "l1"], 1, "Unknown measure: 'l1'"),
        (["r.npz", "--out", "r.npz/p.png"], 1, "Cannot write to the folder 'r.npz'"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(tmp_path, words, code, text):
    make_attack().save("r.npz")
    make_explanation().save("e.npz")
    make_hardness().save("h.npz")
    (tmp_path / "text.npz").write_text("no result")
    said = run("plot", *words, code=code)
    assert text in (plain(said) if code == 2 else said)
    assert {path.suffix for path in tmp_path.iterdir()} == {".npz"}


def test_no_backend_is_imported():
    """Nor Keras, whatever is drawn; tested in one fresh interpreter for all kinds of records."""
    for name, record in DRAWABLE.items():
        record.save(f"{name}.npz")
    code = (
        "import sys; from isi_keras.cli import commands\n"
        "for name in sys.argv[1:]:\n"
        "    commands.app(['plot', name + '.npz'], standalone_mode=False)\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code, *DRAWABLE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == len(DRAWABLE)
