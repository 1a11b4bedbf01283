"""Builds the wheel, unpacks it into a folder of its own and attacks with it from there.

python scripts/check_wheel.py
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECK = """
import sys
sys.path.insert(0, sys.argv[1])
import isi_keras as isi
assert isi.__file__.startswith(sys.argv[1]), isi.__file__
model, (x, y) = isi.zoo.load("lenet-mnist")
result = isi.Attack("relevance", "l0", max_steps=30)(model, x[:8], y=y[:8])
print(isi.evaluate(result))
"""


def main():
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        (wheel,) = Path(folder).glob("*.whl")
        (archive,) = Path(folder).glob("*.tar.gz")
        installed = Path(folder, "installed")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
        subprocess.run([*pip, installed, wheel], check=True)
        # An editable install of the checkout would otherwise be found first.
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        subprocess.run(
            [sys.executable, "-c", CHECK, installed], cwd=folder, env=environment, check=True
        )
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB, works outside the checkout")
        print(f"{archive.name}: {archive.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
