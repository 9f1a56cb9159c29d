"""The limits of `tests/fuzz` are kept, whatever a test does: hangs of every kind, memory, and a process that dies."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz_limits import FuzzChild

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TESTS = {
    "waits": "__import__('time').sleep(600)",
    "loops": "[None for _ in iter(int, 1)]",
    "loops_in_c": "__import__('re').match(r'(a+)+$', 'a' * 64 + 'b')",
    "takes_memory": "bytearray(3 << 29)",
    "takes_memory_bit_by_bit": "[bytes(1 << 26) for _ in range(1 << 20)]",
    "crashes": "__import__('os').abort()",
    "fails": "1 / 0",
    "passes": "None",
    "skips": "pytest.skip('not here')",
}
HANGS = ("waits", "loops", "loops_in_c")


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FuzzChild]:
    folder = tmp_path_factory.mktemp("fuzz")
    shutil.copy(ROOT / "tests" / "fuzz" / "conftest.py", folder / "conftest.py")
    tests = "\n\n".join(f"def test_{name}():\n    begins('the {name}')\n    {body}" for name, body in TESTS.items())
    (folder / "test_limits.py").write_text(f"import pytest\nfrom fuzz_limits import begins\n\n{tests}\n")
    with pytest.MonkeyPatch.context() as given:
        given.setenv("SECONDSITE_FUZZ_HANG_S", "1.5")
        made = FuzzChild(folder / "test_limits.py", tuple(f"test_{name}" for name in TESTS), ROOT)
        yield made
        made.end()


@pytest.mark.parametrize("name", HANGS)
def test_a_hang_fails_with_the_place_where_it_was(child: FuzzChild, name: str) -> None:
    failure = child.outcome(f"test_{name}").failure
    assert f"at input 'the {name}'" in failure
    assert f"in test_{name}" in failure


@pytest.mark.parametrize("name", ["takes_memory", "takes_memory_bit_by_bit"])
def test_no_more_than_a_gibibyte_is_given(child: FuzzChild, name: str) -> None:
    assert "MemoryError" in child.outcome(f"test_{name}").failure


def test_a_process_that_dies_fails_its_test_alone(child: FuzzChild) -> None:
    assert "SIGABRT" in child.outcome("test_crashes").failure
    assert "ZeroDivisionError" in child.outcome("test_fails").failure
    assert child.outcome("test_passes").failure == ""
    assert "not here" in child.outcome("test_skips").skipped
