"""Damaged and hostile files, made of good ones by a seed."""

import io
import json
import pickle
import struct
import zipfile

import numpy as np

EVIL = ("../x", "/etc/passwd", "x/../../y", "C:\\x", "__header__", "x\n", "a" * 300, "", "config")
ODD = (None, [], {}, "", "x", -1, 0, 2**70, 1e308, float("nan"), float("inf"), True, [[]], [{}])
TYPES = ("O", "c8", "S3", "M8[D]", "V8", "f2", "f4", ">f8", "i1", "u8", "bool", "U3", "i4,f4")


class Armed:
    """What writes a file if it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def mutated(data, rng, mark):
    """A file of another content, and how it was made.

    Args:
        data: of a good file.
        rng: draws what is done.
        mark: a path that is written if a pickle is read.
    """
    made = WAYS[int(rng.integers(len(WAYS)))]
    return made.__name__, made(data, rng, mark)


def bits(data, rng, mark):
    data = bytearray(data)
    for place in rng.integers(0, len(data), rng.integers(1, 5)):
        data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def truncated(data, rng, mark):
    return data[: rng.integers(len(data))]


def pieces(data, rng, mark):
    """A piece is repeated, left out or overwritten."""
    begin, end = sorted(rng.integers(0, len(data), 2))
    end = min(end, begin + 200)
    middle = [b"", 2 * data[begin:end], rng.bytes(end - begin), b"\0" * (end - begin)]
    return data[:begin] + middle[rng.integers(4)] + data[end:]


def members(data, rng, mark):
    """Members are missing, there twice, named otherwise, or each other's."""
    held = _members(data)
    names = list(held)
    one, other = (names[i] for i in rng.integers(0, len(names), 2))
    way = rng.integers(5)
    if way == 0:
        del held[one]
    elif way == 1:
        held[one], held[other] = held[other], held[one]
    elif way == 2:
        held[EVIL[rng.integers(len(EVIL))] + ".npy"] = held[one]
    elif way == 3:
        held[one.removesuffix(".npy") + "/a.npy"] = held.pop(one)
    return _zipped(held, twice=one if way == 4 else None)


def headers(data, rng, mark):
    """The header of the file says something else."""
    held = _members(data)
    told = json.loads(str(np.load(io.BytesIO(held["__header__.npy"]))))
    odd = ODD[rng.integers(len(ODD))]
    way = rng.integers(4)
    if way < 2:
        told[("record", "version")[way]] = odd
    elif way == 2:
        told = odd
    text = "[" * 20_000 if way == 3 else json.dumps(told)
    held["__header__.npy"] = _npy(np.array(text))
    return _zipped(held)


def types(data, rng, mark):
    held, name = _chosen(data, rng)
    array = np.load(io.BytesIO(held[name]))
    kind = TYPES[rng.integers(len(TYPES))]
    if kind == "O":
        file = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|O", "fortran_order": False, "shape": (1,)}
        )
        held[name] = file.getvalue() + pickle.dumps(Armed(mark))
    else:
        held[name] = _npy(np.zeros(array.shape, kind))
    return _zipped(held)


def shapes(data, rng, mark):
    held, name = _chosen(data, rng)
    array = np.load(io.BytesIO(held[name]))
    changed = [
        lambda: array[None], lambda: array[..., None], lambda: array.reshape(-1),
        lambda: array[:0] if array.ndim else array, lambda: np.concatenate([array, array]),
        lambda: array[:-1], lambda: array[:, :0], lambda: array.T, lambda: array[0],
    ]  # fmt: skip
    try:
        array = changed[rng.integers(len(changed))]()
    except (IndexError, ValueError):
        array = np.zeros((1, 0, 3), array.dtype)
    held[name] = _npy(array)
    return _zipped(held)


def claims(data, rng, mark):
    """The header of an array claims a shape that its bytes do not have, or is no header."""
    held, name = _chosen(data, rng)
    texts = (
        "(99999999999,)", "(-1,)", "(2, " * 40 + ")" * 40, "(4.0,)", "(1e9,)", "(True,)",
        "(9223372036854775807, 9223372036854775807)", "(0, 9223372036854775807)", "(,)",
        "__import__('os').system('true')",
    )  # fmt: skip
    shape = texts[rng.integers(len(texts))]
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    length = len(text) if rng.integers(2) else int(rng.integers(2**16))
    held[name] = b"\x93NUMPY\1\0" + struct.pack("<H", length) + text + held[name][128:]
    return _zipped(held)


def values(data, rng, mark):
    held, name = _chosen(data, rng)
    array = np.load(io.BytesIO(held[name])).copy()
    if array.dtype.kind in "iuf" and array.size:
        extreme = [-1, 2**20, np.iinfo("i4").max, np.iinfo("i4").min, 0]
        odd = [np.nan, np.inf, -np.inf, -1, 1e38, 0] if array.dtype.kind == "f" else extreme
        array.reshape(-1)[rng.integers(array.size)] = odd[rng.integers(len(odd))]
    elif array.dtype.kind == "U" and array.size and array.dtype.itemsize:
        array.reshape(-1).view("u4")[rng.integers(array.nbytes // 4)] = rng.integers(2**32)
    elif array.dtype.kind == "b" and array.size:
        array.reshape(-1).view("u1")[0] = 7
    held[name] = _npy(array)
    return _zipped(held)


def settings(data, rng, mark):
    """An entry of the configuration is missing or something else."""
    held = _members(data)
    config = json.loads(str(np.load(io.BytesIO(held["config.npy"]))))
    place = config
    while rng.integers(3) and any(isinstance(v, dict) and v for v in place.values()):
        inner = [v for v in place.values() if isinstance(v, dict) and v]
        place = inner[rng.integers(len(inner))]
    key = list(place)[rng.integers(len(place))]
    if rng.integers(2):
        place[key] = ODD[rng.integers(len(ODD))]
    else:
        del place[key]
    held["config.npy"] = _npy(np.array(json.dumps(config)))
    return _zipped(held)


def bombs(data, rng, mark):
    """A member becomes much longer than it is, or says so."""
    held, name = _chosen(data, rng)
    if rng.integers(2):
        file = io.BytesIO()
        shape = (int(rng.integers(2**24, 2**34)),)
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": shape}
        )
        held[name] = file.getvalue() + held[name]
        return _zipped(held)
    data = bytearray(_zipped(held))
    place = data.rfind(b"PK\1\2")
    size = struct.pack("<I", int(rng.integers(2**24, 2**32 - 1)))
    data[place + 24 : place + 28] = size
    return bytes(data)


def ends(data, rng, mark):
    """The end of the file says something else about the directory."""
    data = bytearray(data)
    place = data.rfind(b"PK\5\6")
    begin = int(rng.integers(8, 20))
    data[place + begin : place + begin + 2] = rng.bytes(2)
    return bytes(data)


WAYS = (bits, truncated, pieces, members, headers, types, shapes, claims, values, settings, bombs)
WAYS = (*WAYS, ends, values, settings, bits)


def _members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as held:
        return {name: held.read(name) for name in held.namelist()}


def _chosen(data, rng):
    held = _members(data)
    names = [name for name in held if name != "__header__.npy"]
    return held, names[rng.integers(len(names))]


def _npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _zipped(held, twice=None):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in held.items():
            archive.writestr(name, data)
        if twice is not None:
            archive.filelist.append(archive.getinfo(twice))
    return file.getvalue()
