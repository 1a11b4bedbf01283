"""The command line, in this interpreter."""

import re

from typer.testing import CliRunner

from isi_keras.cli import commands


def run(*arguments, code=0):
    """What a command printed on stdout, and on stderr if it failed with the expected `code`."""
    done = CliRunner().invoke(commands.app, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done.stdout if code == 0 else done.stderr


def plain(text):
    """Text of a usage error without the box around it."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", " ", text).split())
