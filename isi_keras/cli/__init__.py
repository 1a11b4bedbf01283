"""The command line `isi-keras`: attack, explain, measure, plot, reproduce the published runs."""

from isi_keras.cli.commands import main

__all__ = ["main"]
