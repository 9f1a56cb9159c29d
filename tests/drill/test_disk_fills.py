"""A disk that fills while a drill runs: told with place and remedy, and the machine is left as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from drilling import EXAMPLE
from needed import missing

from secondsite.drill.evidence.chain import CHAIN

pytestmark = [pytest.mark.slow, pytest.mark.drills]

_FILLED = """
mount -t tmpfs -o size=96m tmpfs "$DISK" && cd "$EXAMPLE" || exit 99
"$PYTHON" -m secondsite.cli drill region-loss --strategy warm-standby/leafnode-mirror --rate 200 \
    --evidence "$EVIDENCE" 2> "$SAID" &
drill=$!
until grep -q "waiting for steady state" "$SAID"; do kill -0 $drill || exit 98; sleep 0.1; done
dd if=/dev/zero of="$DISK/filler" bs=64k 2> /dev/null
wait $drill
code=$?
cp -r "$EVIDENCE" "$KEPT"
rm "$DISK/filler"
ls -A "$LAB" > "$LEFT"
exit $code
"""


@pytest.mark.parametrize("full", ["evidence", "lab"])
def test_a_disk_that_fills_in_the_middle_ends_the_drill_and_leaves_nothing(full: str, tmp_path: Path) -> None:
    """In a mount namespace of its own, on a disk of memory."""
    unshare = shutil.which("unshare") or missing("unshare is not installed: apt install util-linux")
    if subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode:
        missing("user namespaces are off: sysctl kernel.unprivileged_userns_clone=1, or run as root")
    disk, other = tmp_path / "disk", tmp_path / "other"
    disk.mkdir()
    other.mkdir()
    places = {"EVIDENCE": disk if full == "evidence" else other, "LAB": disk if full == "lab" else other}
    files = {"SAID": tmp_path / "said", "LEFT": tmp_path / "left", "KEPT": tmp_path / "kept"}
    fixed = {"DISK": disk, "EXAMPLE": EXAMPLE.parent, "PYTHON": sys.executable, "TMPDIR": places["LAB"]}
    environment = os.environ | {name: str(path) for name, path in {**places, **files, **fixed}.items()}
    done = subprocess.run([unshare, "-rm", "sh", "-c", _FILLED], env=environment, check=False, timeout=120)
    said = files["SAID"].read_text()
    assert done.returncode == 4, said
    assert f"{disk}" in said
    assert "\n;" not in said
    assert "free space on" in said
    assert "Traceback" not in said
    assert not [each for each in files["LEFT"].read_text().split() if each.startswith("secondsite-lab-")]
    assert not [*files["KEPT"].rglob(CHAIN)]
