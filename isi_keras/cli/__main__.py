"""`python -m isi_keras.cli`, where the script `isi-keras` is not on the path."""

from isi_keras.cli.commands import main

main()
