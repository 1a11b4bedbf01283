"""The version, read by the build and by `isi_keras.__version__`."""

__version__ = "0.1.0.dev0"
