"""What a static reader of the package cannot see: the names that load lazily, and `Example:`."""

import ast
import importlib.util
import re
from pathlib import Path

import griffe

PACKAGE = "isi_keras"


class PublicNames(griffe.Extension):
    """Makes `isi_keras.Attack` a name of `isi_keras.attack.Attack`, as `isi_keras` itself does."""

    def on_package(self, *, pkg, **_):
        """Reads the table given to `lazy_loader.attach`; marks examples as the reader wants."""
        if pkg.name != PACKAGE:
            return
        for module, names in _lazy(pkg.filepath).items():
            for name in names:
                pkg.set_member(name, griffe.Alias(name, target=f"{PACKAGE}.{module}.{name}"))
        plotting = pkg.members["plotting"]
        for module in _plots(plotting.filepath.with_name("plots.py")):
            name = module.rpartition(".")[2]
            target = f"{PACKAGE}.plotting.{module}.{name}"
            plotting.set_member(name, griffe.Alias(name, target=target))
        _mark_examples(pkg)
        _tell_types(pkg, _types())


def _lazy(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.keyword) and node.arg == "submod_attrs":
            return ast.literal_eval(node.value)
    raise ValueError(f"{path} gives lazy_loader.attach no submod_attrs.")


def _plots(path):
    """The module of each plot of the table `PLOTS`, below `isi_keras.plotting`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Plot":
            yield ast.literal_eval(node.args[0])


def _types():
    path = Path(__file__).with_name("types_shown.py")
    spec = importlib.util.spec_from_file_location("types_shown", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _tell_types(item, types):
    """Puts a type in place of `Any` where one is known."""
    for member in getattr(item, "members", {}).values():
        if member.is_alias:
            continue
        if member.is_function:
            owner = item.name if member.name.startswith("__") else member.name
            path = f"{item.name}.{member.name}" if item.is_class else member.name
            member.returns = types.RETURNED.get(path, member.returns)
            for parameter in member.parameters:
                _tell_type(owner, parameter, types)
        elif member.is_attribute:
            _tell_type(item.name, member, types)
        _tell_types(member, types)


def _tell_type(owner, part, types):
    if part.annotation is not None:
        told = types.shown(owner, part.name, str(part.annotation))
        part.annotation = told or part.annotation


def _mark_examples(item):
    """Writes "Examples:" for "Example:", and indents what follows it."""
    if item.docstring:
        text, mark, example = item.docstring.value.partition("\nExample:\n")
        if mark:
            if example.startswith(">>>"):
                example = re.sub("^", "    ", example, flags=re.MULTILINE)
            item.docstring.value = f"{text}\nExamples:\n{example}"
    for member in getattr(item, "members", {}).values():
        if not member.is_alias:
            _mark_examples(member)
