"""Files from anywhere: what is saved is what is read, anything else is refused in one sentence."""

import dataclasses
import io
import os
import re
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from makers import fake, mutations, records
from makers.commands import run as command
from makers.paths import GOLDEN
from makers.results import (
    make_attack,
    make_ensemble,
    make_explanation,
    make_flipping,
    make_hardness,
    make_randomisation,
    make_text,
)

import isi_keras as isi
from isi_keras.results import Result, archive, files, schema

pytestmark = pytest.mark.once

MUTATIONS = 500


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """By name the bytes of a file of every kind of record, version 1 among them."""
    folder = tmp_path_factory.mktemp("good")
    made = {kind.__name__: records.made(kind, count=2) for kind in records.kinds()}
    made |= {
        "attack": make_attack(samples=3),
        "table": make_attack((8,), samples=3, target=np.array([1, 2, 3])),
        "maps": make_explanation(),
        "text": make_text(),
        "sweep": make_hardness(3),
        "curve": make_flipping(),
        "layers": make_randomisation(),
        "ensemble": make_ensemble(2),
    }
    found = {name: record.save(folder / name).read_bytes() for name, record in made.items()}
    old = sorted((GOLDEN / "version-1").glob("*.npz"))
    return found | {f"version 1, {path.stem}": path.read_bytes() for path in old}


def outcome(path):
    """What becomes of a file: it is refused by name in one line, or read and measured."""
    record, said = attempted(lambda: Result.load(path))
    if record is None:
        assert repr(str(path)) in said
        assert "\n" not in said
        return "refused"
    repr(record)
    if isinstance(record, isi.AttackResult | isi.RobustnessResult):
        str(isi.evaluate(record))
    page, said = attempted(lambda: isi.report(record).to_dict())
    assert page is not None or re.search("has no samples|more than one", said), said
    return "read"


def attempted(use):
    """What a function returns, and what it says where it refuses."""
    try:
        return use(), ""
    except ValueError as error:
        return None, str(error)


def fuzzed(good, tmp_path, seed, count):
    """How often which way of damaging files had which outcome."""
    rng, path, mark = np.random.default_rng(seed), tmp_path / "r.npz", tmp_path / "executed"
    names, found = list(good), []
    for _ in range(count):
        way, data = mutations.mutated(good[names[rng.integers(len(names))]], rng, mark)
        path.write_bytes(data)
        found.append((way, outcome(path)))
        assert not mark.exists()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["r.npz"]
    return found


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of means over infinities
def test_damaged_files_are_refused_or_read(good, tmp_path):
    found = fuzzed(good, tmp_path, 0, MUTATIONS)
    assert {way for way, _ in found} == {way.__name__ for way in mutations.WAYS}
    for way in ("truncated", "bombs", "claims", "headers"):
        assert {result for each, result in found if each == way} == {"refused"}
    assert sum(result == "refused" for _, result in found) > MUTATIONS / 2


@pytest.mark.large
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", range(1, 9))
def test_many_damaged_files(good, tmp_path, seed):
    fuzzed(good, tmp_path, seed, 1000)


def changed(tmp_path, record=None, **arrays):
    """A file of an attack with some arrays replaced, or left out where they are `None`."""
    record = make_attack(samples=3) if record is None else record
    held = {n: a for n, a in {**record.to_arrays(), **arrays}.items() if a is not None}
    return files.write(tmp_path / "r.npz", type(record).__name__, held)


CASES = [
    ({"steps": np.zeros(4, int)}, r"expected steps to be integers of shape \(N\), N = 3 as in x\."),
    ({"steps": np.zeros(3)}, r"Received: float64 \(3,\)"),
    ({"steps": np.array([1, 2, -3])}, r"steps to be at least 0\. Received: -3 at index \[2\]"),
    ({"adversarial": np.zeros((3, 6, 5, 2), "f4")}, r"of the shape of x, \(3, 6, 5, 1\)"),
    ({"x": np.full((3, 6, 5, 1), np.nan)}, r"x to hold no NaN\. Received: nan at index \[0, 0, 0"),
    ({"prediction": np.array([0, 1, 4])}, r"prediction to be below 4, as trajectory says"),
    ({"stop_reason": np.array(["a"] * 3)}, r"stop_reason to be one of .*'success'.* Received: 'a'"),
    ({"success": np.array([True, False, True])}, r"success also where stop_reason is 'success'\."),
    ({"seconds": np.array(np.inf)}, r"seconds to hold no infinity"),
    ({"config": np.array("[1]")}, r"config to be a dictionary\. Received: a list"),
    ({"config": np.array("{")}, r"config to be a text of JSON\."),
    ({"config": np.array("{}")}, r"config to have class_name, a text, and config, a dictionary"),
    ({"provenance": np.array('{"model": {"name": "\\u001b[2J"}}')}, r"provenance to tell a model"),
    ({"provenance": np.array("[]")}, r"provenance to be a dictionary\. Received: a list"),
    ({"trajectory": np.zeros((3, 2, 4))}, r"logits before and after 3 steps\. Received: 2"),
    ({"y": np.array([0, 1, 2**21])}, r"y to be at most"),
    ({"steps": None}, r"lacks 'steps', which AttackResult has"),
    ({"extra": np.zeros(3)}, r"holds 'extra', which AttackResult does not have"),
    ({"x/left": np.zeros(3)}, r"holds 'x/left', which AttackResult does not have"),
]


@pytest.mark.parametrize(("arrays", "text"), CASES, ids=[text[:20] for _, text in CASES])
def test_the_file_the_field_and_what_was_expected_are_said(tmp_path, arrays, text):
    with pytest.raises(archive.UnreadableError, match=rf"r\.npz' .*{text}"):
        Result.load(changed(tmp_path, **arrays))


def test_success_and_the_reason_of_the_end_agree(tmp_path, shard):
    reasons = np.array(["success", "max_steps", "success"])
    said = r"success only where .* Received: 'max_steps' with it at index \[1\]\."
    with pytest.raises(ValueError, match=said):
        Result.load(changed(tmp_path, stop_reason=reasons))
    ensemble = make_ensemble(2)
    ended = ensemble.stop_reason.copy()
    ended[1, 1] = "not_finite"
    with pytest.raises(ValueError, match=r"'not_finite' with it at index \[1, 1\]"):
        Result.load(changed(tmp_path, ensemble, stop_reason=ended))
    ended[:] = "success"  # where the logits are not finite in the end it is none
    assert len(Result.load(changed(tmp_path, ensemble, stop_reason=ended))) == 3
    sweep = records.made(isi.HardnessResult, count=3)
    budgets = np.array([0.5, np.inf, 0.5])
    ended = np.array(["success", "max_steps", "success"])
    record = dataclasses.replace(sweep, min_budget=budgets, stop_reason=ended)
    assert len(Result.load(record.save(tmp_path / "s"))) == 3
    for wrong, said in ((["max_steps"] * 3, "only"), (["success"] * 3, "also")):
        with pytest.raises(ValueError, match=f"a finite min_budget {said} where stop_reason is"):
            Result.load(changed(tmp_path, record, stop_reason=np.array(wrong)))
    folder, path, data = shard
    arrays = dict(np.load(path))
    arrays["table/success"] = ~arrays["table/success"]
    np.savez(path, **arrays)
    for use in (lambda: isi.evaluate(isi.Run(folder)), isi.Run(folder).result):
        with pytest.raises(ValueError, match=r"000001\.npz' is damaged \(.*success"):
            use()
    path.write_bytes(data)


def test_labels_are_below_the_number_of_logits(tmp_path):
    record = make_explanation()
    with pytest.raises(ValueError, match=r"target to be below 4, as logits says\. Received: 4 at"):
        Result.load(changed(tmp_path, record, target=np.array([0, 1, 4])))


def test_codes_for_terminals_are_refused(tmp_path):
    record = make_ensemble(2)
    for change in (
        {"names": np.array(["relevance_l0", "\x1b]0;title\x07"])},
        {"config": np.array('{"class_name": "a\\u001b[2J", "config": {"measure": "l2"}}')},
    ):
        with pytest.raises(ValueError, match=r"expected (names to hold no codes|each class_name)"):
            Result.load(changed(tmp_path, record, **change))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "r.npz")
    with pytest.raises(ValueError, match="is not a result"):
        Result.load(tmp_path / "r.npz")


def test_what_is_truncated_is_said_to_be(good, tmp_path):
    path = tmp_path / "r.npz"
    for share in (0.1, 0.5, 0.99):
        path.write_bytes(good["attack"][: int(share * len(good["attack"]))])
        with pytest.raises(ValueError, match=r"r\.npz' is truncated"):
            Result.load(path)


def test_commands_end_in_a_sentence(good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = bytearray(good["attack"])
    data[len(data) // 3] ^= 1
    (tmp_path / "bit.npz").write_bytes(data)
    (tmp_path / "cut.npz").write_bytes(good["attack"][:1000])
    changed(tmp_path, steps=np.zeros(3))
    for name, text in (("bit", "is damaged"), ("cut", "is truncated"), ("r", "expected steps")):
        for words in (["evaluate"], ["plot"], ["report"]):
            said = command(*words, f"{name}.npz", code=1)
            assert said.startswith(f"Error: '{name}.npz' is ")
            assert text in said
            assert said.count("\n") == 1
    assert {path.suffix for path in tmp_path.iterdir()} == {".npz"}


class TestSizes:
    """Nothing is taken before it is known how much it will be."""

    def zeros(self, tmp_path, size):
        record = make_attack((1,), samples=1)
        arrays = {**record.to_arrays(), "x": np.zeros((1, size), "f4")}
        return files.write(tmp_path / "bomb.npz", "AttackResult", arrays)

    def test_a_bomb_takes_no_memory(self, tmp_path):
        path = self.zeros(tmp_path, 2**24 + 2**20)
        tracemalloc.start()
        with pytest.raises(ValueError, match=r"bomb\.npz' is of .* bytes and would take .*_MAX_BY"):
            Result.load(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**21

    def test_the_limit_is_the_users(self, tmp_path, monkeypatch):
        path = make_attack(samples=3).save(tmp_path / "r")
        assert len(Result.load(path, max_bytes=10_000_000)) == 3
        with pytest.raises(ValueError, match="where 1,000 are allowed"):
            Result.load(path, max_bytes=1000)
        monkeypatch.setenv("ISI_KERAS_MAX_BYTES", "1000")
        with pytest.raises(ValueError, match="where 1,000 are allowed"):
            Result.load(path)
        monkeypatch.setenv("ISI_KERAS_MAX_BYTES", "many")
        with pytest.raises(ValueError, match=r"Expected ISI_KERAS_MAX_BYTES.*Received: 'many'"):
            Result.load(path)

    def test_what_would_not_be_read_is_said_on_saving(self, tmp_path, monkeypatch):
        monkeypatch.setattr(archive, "_FREE", 1000)
        x = np.zeros((3, 200, 200, 1), "f4")
        record = make_attack((200, 200, 1), samples=3, x=x, adversarial=x + 1)
        with pytest.warns(UserWarning, match=r"will not be read.*Load it with max_bytes="):
            path = record.save(tmp_path / "r")
        with pytest.raises(ValueError, match="are allowed"):
            Result.load(path)
        assert len(Result.load(path, max_bytes=10**7)) == 3
        with pytest.warns(UserWarning, match="expected y to be integers"):
            make_attack(samples=3, y=np.zeros(2)).save(tmp_path / "s")

    def test_a_directory_of_a_million_entries(self, tmp_path):
        path = tmp_path / "r.npz"
        end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 65535, 65535, 2**23, 0, 0)
        path.write_bytes(b"PK\3\4" + b"\0" * 2**10 + end)
        with pytest.raises(ValueError, match="its directory is too long"):
            Result.load(path)

    def test_other_compressions(self, tmp_path):
        path = tmp_path / "r.npz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as held:
            held.writestr("__header__.npy", b"x")
        with pytest.raises(ValueError, match="compressed in an unknown way"):
            Result.load(path)


def test_arrays_of_other_machines_are_read(tmp_path):
    record = make_attack(samples=3)
    x = np.asfortranarray(record.x.astype(">f4"))
    found = Result.load(changed(tmp_path, record, x=x, steps=record.steps.astype("u2")))
    np.testing.assert_array_equal(found.x, record.x)
    assert found.x.dtype == np.dtype("f4")
    assert found.x.dtype.isnative


def test_every_field_says_what_it_is():
    for kind in records.kinds():
        for field in isi.results.fields.of(kind):
            assert field.rule is not None, (kind, field.name)
    array = schema.Array("f", "N ...")
    lengths = schema.Lengths("it is none")
    lengths.check("x", array, np.zeros((3, 2)))
    assert lengths.known == {"N": (3, "x")}


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    """A run of three shards, of whose second the file is given, and the folder."""
    folder = tmp_path_factory.mktemp("run")
    isi.run(fake.turned, None, fake.samples(), out=folder, shard_size=8, verbose=0)
    path = folder / "shards/000001.npz"
    return folder, path, path.read_bytes()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_damaged_shards_are_refused_or_read(shard, tmp_path):
    folder, path, data = shard
    rng, mark = np.random.default_rng(0), tmp_path / "executed"
    ways = [way for way in mutations.WAYS if way is not mutations.settings]
    refused = 0
    for number in range(60):
        path.write_bytes(ways[number % len(ways)](data, rng, mark))
        run = isi.Run(folder)
        for use in (run.status, lambda run=run: isi.evaluate(run), run.result):
            found, said = attempted(use)
            refused += found is None
            if found is None:
                assert re.search(r"000001\.npz' (is damaged|belongs to another)", said)
                assert said.endswith("Remove it: the next start computes it anew.")
    path.write_bytes(data)
    assert not mark.exists()
    assert 60 < refused < 180
    assert len(isi.Run(folder).result()) == fake.ROWS


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("run.json", '{"format": 1}', "lacks 'call'"),
        ("run.json", "[" * 100_000, "is damaged"),
    ],
)
def test_other_files_of_a_run(shard, name, text, said):
    place = shard[0] / name
    before = place.read_text()
    place.write_text(text)
    assert said in command("status", shard[0], code=1)
    place.write_text(before)


def test_a_header_of_an_array_is_not_evaluated(tmp_path):
    data = make_attack(samples=3).to_arrays()
    path = files.write(tmp_path / "r.npz", "AttackResult", data)
    for text in (b"__import__('os')", b"(" * 5000, b"{'descr': '|O', 'shape': (3,), }", b""):
        with zipfile.ZipFile(path) as held:
            members = {name: held.read(name) for name in held.namelist()}
        members["steps.npy"] = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as held:
            for name, member in members.items():
                held.writestr(name, member)
        (tmp_path / "s.npz").write_bytes(file.getvalue())
        with pytest.raises(ValueError, match="'steps' as no plain array"):
            Result.load(tmp_path / "s.npz")
