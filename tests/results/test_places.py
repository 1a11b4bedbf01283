"""Where files are written."""

from pathlib import Path

import pytest

from isi_keras.results import as_path, write_atomically

pytestmark = pytest.mark.once


def test_a_path_of_this_machine_stays_one(tmp_path):
    assert as_path(str(tmp_path)) == as_path(tmp_path) == as_path(f"file://{tmp_path}") == tmp_path
    assert as_path("FILE:///a/b%20c#d?e") == as_path("file://localhost/a/b%20c#d?e")
    assert as_path("file:///a/b%20c#d?e") == Path("/a/b c#d?e")
    with pytest.raises(ValueError, match=r"of the machine 'a'.* 'file:///a/b'"):
        as_path("file://a/b")
    assert as_path("C:/results") == Path("C:/results")
    assert as_path("a:b/c") == Path("a:b/c")


def test_the_folder_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert as_path("~/a") == tmp_path / "a"
    assert as_path(Path("~/a")) == Path("~/a")


def test_an_unknown_protocol():
    pytest.importorskip("upath", reason="universal-pathlib is not installed")
    with pytest.raises(ValueError, match=r"places such as 'nowhere://a'.*s3://bucket/night"):
        as_path("nowhere://a")
    with pytest.raises(ValueError, match=r"Pass text: 'memory://a'"):
        as_path("./memory://a")


@pytest.mark.parametrize("text", ["s3:/bucket/a", "memory://bucket/a", "a+b.c:/bucket/a"])
def test_an_address_is_no_folder_here(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for attempt in (lambda: as_path(Path(text)), lambda: write_atomically(Path(text), print)):
        with pytest.raises(
            ValueError, match=r"lost a slash.* Pass text: '(s3|memory|a\+b\.c)://bucket/a'"
        ):
            attempt()
    assert not list(tmp_path.iterdir())


def test_a_place_elsewhere_gets_a_file_whole():
    pytest.importorskip("upath", reason="universal-pathlib is not installed")
    place = as_path("memory://places/deep/file")
    assert write_atomically(place, lambda file: file.write(b"all of it")) is place
    assert place.read_bytes() == b"all of it"
    assert as_path(place) is place

    def fail(file):
        file.write(b"a part")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_atomically(place, fail)
    assert place.read_bytes() == b"all of it"
