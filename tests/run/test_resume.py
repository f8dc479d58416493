"""Killed at any moment, a run continues and ends with the bytes of one that was left alone."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nvmine
from nvmine import files
from nvmine.errors import RunError
from nvmine.run.store.manifest import Manifest
from nvmine.run.store.storage import Storage
from vectors_teacher import WordTeacher

TESTS = Path(__file__).resolve().parents[1]

# Works on a small collection in many shards, once for each line "work folder fatal" of its input, in a child of its
# own: what is imported here is imported once. A child dies at the given line of nvmine's code, counted from the start
# of the work. Rescorer and judge write down, beside the folder, what they were asked. A child that lives tells how many
# lines it ran, and whether torch was imported on the way.
DRIVER = """
import functools, os, signal, sys
sys.path.insert(0, {tests!r})
import nvmine.run.store.workspace as workspace
workspace.SHARD_ROWS = 40
import nvmine.run.candidates.rescoring as rescoring
rescoring.PAIRS_AT_ONCE = 64
import nvmine
from nvmine.teachers import CallableJudge, PairScorer
from small_collection import small_collection
from vectors_teacher import WordTeacher
data, teachers = small_collection(), [WordTeacher("a"), WordTeacher("b", seed=1)]
count = 0

@functools.cache
def is_counted(path):  # what writes a run
    return any(part in path for part in ("/nvmine/run/", "/nvmine/files.py", "/nvmine/judges/"))

def mine(out):
    options = dict(sampling="softmax", near_duplicate=0.1)
    nvmine.mine_dataset(data, out=out, teacher=teachers[0], depth=5, progress=False, **options)

def stages(out):
    def note(what, texts):
        with open(out + "." + what, "a") as file:
            file.write("".join(text + chr(10) for text in texts))

    def score(pairs):
        note("scored", map(" / ".join, pairs))
        return [len(set(a.split()) & set(b.lower().split())) + len(b) / 1000 for a, b in pairs]

    def decide(question):
        note("asked", [question.query_id + " / " + question.passage_id])
        return len(question.passage) % 5 == 0

    scorer = PairScorer("overlap", score)
    options = dict(rescorer=scorer, promote_above=2.5, consistency=6, method="naive", depth=8, progress=False)
    run = nvmine.mine_dataset(data, out=out + "/mined", teacher=teachers, **options)
    one = nvmine.mine_dataset(data, out=out + "/one", teacher=teachers[1], depth=8, progress=False)
    judge = CallableJudge("length", decide)
    nvmine.judge_run(run, judge, out=out + "/judged", on_relevant="relabel", progress=False)
    nvmine.judge_run(one, judge, out=out + "/judged-one", known=[out + "/judged"], progress=False)

def start(work, out, fatal):
    def line(frame, event, argument):
        global count
        count += event == "line"
        if count == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return line
    sys.settrace(lambda frame, *_: line if is_counted(frame.f_code.co_filename) else None)
    {{"mine": mine, "stages": stages}}[work](out)
    sys.settrace(None)

for command in sys.stdin:
    work, out, fatal = command.split()
    reader, writer = os.pipe()
    if os.fork() == 0:
        start(work, out, int(fatal))
        os.write(writer, f"{{count}} {{'torch' in sys.modules}}".encode())
        os._exit(0)
    os.close(writer)
    status = os.waitstatus_to_exitcode(os.wait()[1])
    print(status, os.read(reader, 30).decode() or "-1 False", flush=True)
    os.close(reader)
"""


class Driver:
    """The process that mines in children."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", DRIVER.format(tests=str(TESTS))]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def start(self, out: Path, fatal: int = -1, work: str = "mine") -> tuple[int, int]:
        """Works; returns how the child ended, and how many lines it ran."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{work} {out} {fatal}\n")
        self.process.stdin.flush()
        status, lines, has_torch = self.process.stdout.readline().split()
        # Torch takes long to import. No search on the CPU needs it.
        assert has_torch == "False"
        return int(status), int(lines)


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    started = Driver()
    yield started
    started.process.communicate(timeout=60)


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, driver: Driver) -> tuple[dict[str, str], int]:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    status, lines = driver.start(folder)
    assert status == 0
    return contents(folder), lines


def test_two_runs_are_byte_identical(tmp_path: Path, driver: Driver, undisturbed: tuple[dict[str, str], int]) -> None:
    assert driver.start(tmp_path / "again")[0] == 0
    assert contents(tmp_path / "again") == undisturbed[0]
    assert len(undisturbed[0]) > 12


# A random moment in each twentieth of the work; eight of them, spread over all of it, in the fast suite.
MOMENTS = [
    number if number in (0, 3, 6, 8, 11, 14, 17, 19) else pytest.param(number, marks=pytest.mark.slow)
    for number in range(20)
]


@pytest.mark.parametrize("number", MOMENTS)
def test_a_run_killed_at_a_random_moment_ends_with_the_same_bytes(
    tmp_path: Path, driver: Driver, undisturbed: tuple[dict[str, str], int], number: int
) -> None:
    expected, lines = undisturbed
    fatal = random.Random(number).randrange(max(1, lines * number // 20), lines * (number + 1) // 20)
    assert driver.start(tmp_path / "run", fatal)[0] == -signal.SIGKILL
    assert driver.start(tmp_path / "run")[0] == 0
    assert contents(tmp_path / "run") == expected
    assert not (tmp_path / "run/tmp").exists()


def test_a_run_killed_over_and_over_ends_with_the_same_bytes(
    tmp_path: Path, driver: Driver, undisturbed: tuple[dict[str, str], int]
) -> None:
    """Each life is a little longer than opening what is there takes, so the run only gets on shard by shard."""
    expected, lines = undisturbed
    draw = random.Random(0)
    lives = []
    while not lives or lives[-1] != 0:
        assert len(lives) < 60
        lives.append(driver.start(tmp_path / "run", draw.randrange(lines // 4, lines // 2))[0])
    assert set(lives[:-1]) == {-signal.SIGKILL}
    assert contents(tmp_path / "run") == expected


@pytest.fixture(scope="module")
def undisturbed_stages(tmp_path_factory: pytest.TempPathFactory, driver: Driver) -> tuple[Path, int]:
    folder = tmp_path_factory.mktemp("undisturbed") / "runs"
    status, lines = driver.start(folder, work="stages")
    assert status == 0
    return folder, lines


def noted(folder: Path, what: str) -> Counter[str]:
    return Counter((folder.parent / f"{folder.name}.{what}").read_text().splitlines())


@pytest.mark.parametrize(
    "number", [0, pytest.param(1, marks=pytest.mark.slow), 2, 3, 4, pytest.param(5, marks=pytest.mark.slow)]
)
def test_stages_killed_while_rescoring_and_judging_end_with_the_same_bytes(
    tmp_path: Path, driver: Driver, undisturbed_stages: tuple[Path, int], number: int
) -> None:
    """An ensemble of rescored candidates, judged, and a run that is judged by what is known: the same bytes."""
    whole, lines = undisturbed_stages
    draw = random.Random(number)
    fatal = sorted(draw.randrange(1, lines) for _ in range(3))
    kills = sum(driver.start(tmp_path / "runs", line, "stages")[0] == -signal.SIGKILL for line in fatal)
    assert kills
    assert driver.start(tmp_path / "runs", work="stages")[0] == 0
    assert contents(tmp_path / "runs") == contents(whole)
    # A verdict that was heard is on disk, but for one that was being written; pairs are scored a block at a time.
    assert set(noted(whole, "asked").values()) == {1}
    for what, most in {"asked": 1, "scored": 64}.items():
        once, again = noted(whole, what), noted(tmp_path / "runs", what)
        assert set(again) == set(once)
        assert (again - once).total() <= kills * most


class TestFailingWrites:
    """A disk that fills up: a typed error, nothing half-written, and the run continues once there is room."""

    @pytest.mark.parametrize("failing", range(1, 8))
    def test_a_full_disk_is_named_and_the_run_continues_later(
        self, small: Any, tmp_path: Path, failing: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plain = tmp_path / "plain"
        nvmine.mine_dataset(small, out=plain, teacher=WordTeacher(), progress=False)
        calls = 0
        sync = files._sync

        def full(path: Path) -> Any:
            nonlocal calls
            calls += 1
            if calls == failing:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return sync(path)

        monkeypatch.setattr(files, "_sync", full)
        with pytest.raises(RunError, match="No space left on device; free the disk") as caught:
            nvmine.mine_dataset(small, out=tmp_path / "run", teacher=WordTeacher(), progress=False)
        assert caught.value.path is not None
        if Path(caught.value.path).exists():
            # The manifest is replaced: the one before is there, and whole.
            assert caught.value.path == str(tmp_path / "run/manifest.json")
            Manifest.load(tmp_path / "run")
        assert not (tmp_path / "run/tmp").exists()
        nvmine.mine_dataset(small, out=tmp_path / "run", teacher=WordTeacher(), progress=False)
        assert contents(tmp_path / "run") == contents(plain)

    def test_a_write_that_the_system_refuses_is_named(self, tmp_path: Path) -> None:
        """The kernel refuses the write itself, inside numpy or Polars."""

        def limit() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (2500, 2500))

        program = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
import nvmine
from small_collection import small_collection
from vectors_teacher import WordTeacher
nvmine.mine_dataset(small_collection(), out=sys.argv[1], teacher=WordTeacher(), progress=False)
"""
        command = [sys.executable, "-c", program, str(tmp_path / "run")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, preexec_fn=limit)
        assert done.returncode == 1
        assert "RunError" in done.stderr.splitlines()[-1], done.stderr
        assert "cannot be written" in done.stderr
        assert not [path for path in (tmp_path / "run").rglob("*") if path.is_file() and path.name != "manifest.json"]
        assert subprocess.run(command, capture_output=True, check=False, timeout=120).returncode == 0


def test_two_processes_do_not_share_a_folder(small: Any, tmp_path: Path) -> None:
    held = Storage(tmp_path / "run")
    try:
        with pytest.raises(RunError, match="another process is mining"):
            nvmine.mine_dataset(small, out=tmp_path / "run", teacher=WordTeacher(), progress=False)
    finally:
        held.close()
    nvmine.mine_dataset(small, out=tmp_path / "run", teacher=WordTeacher(), progress=False)
