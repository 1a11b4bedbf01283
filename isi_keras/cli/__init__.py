"""The command line `isi-keras`: attack, explain, evaluate, and reproduce the published runs."""

from isi_keras.cli.commands import main

__all__ = ["main"]
