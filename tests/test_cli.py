"""The command line: exit codes, standard output and standard error; most commands run in this process."""

from __future__ import annotations

import itertools
import json
import logging
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import checker
import nvmine
from chat_server import NO, YES, Answer, Asked, ChatServer
from nvmine.cli import main

pytest.importorskip("bm25s")
pytest.importorskip("Stemmer")

Done = subprocess.CompletedProcess[str]
Command = Callable[..., Done]


@pytest.fixture
def nvmine_command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Runs what ``python -m nvmine`` runs, in this process. An exception that `main` lets through fails the test."""
    logger = logging.getLogger("nvmine")
    handlers, level = logger.handlers[:], logger.level

    def run(*arguments: str | Path) -> Done:
        command = ["nvmine", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", command)
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        logger.handlers[:] = handlers
        # An exit without a code is a success, and so is the code None.
        return Done(command, ended.value.code or 0, *capfd.readouterr())

    yield run
    logger.setLevel(level)


def in_a_process(*command: str | Path) -> Done:
    """Runs a command in a process of its own."""
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    words = ["red stone bridge", "cold river stone", "red river ship", "iron ship bridge", "cold iron moon", "red moon"]
    rows = [{"query": text.split()[0] + " " + text.split()[-1], "positive": text} for text in words]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", "utf-8")
    return path


def test_a_run_is_mined_then_found_finished_then_audited(pairs: Path, tmp_path: Path, nvmine_command: Command) -> None:
    out = tmp_path / "run"
    mined = nvmine_command("mine", pairs, "--out", out, "-n", "1", "--percentage", "0.99")
    assert (mined.returncode, mined.stderr) == (0, "")
    assert f"{out} is mined: " in mined.stdout
    checker.check(out)
    again = nvmine_command("mine", pairs, "--out", out, "-n", "1", "--percentage", "0.99")
    assert again.returncode == 0
    assert f"{out} is finished already" in again.stdout
    audited = nvmine_command("audit", out)
    assert audited.returncode == 0
    assert "every file, count and negative checked" in audited.stdout
    assert "starved queries              0" in audited.stdout


def test_filter_is_mining_with_another_policy(pairs: Path, tmp_path: Path, nvmine_command: Command) -> None:
    assert nvmine_command("mine", pairs, "--out", tmp_path / "run", "--depth", "3", "-n", "1").returncode == 0
    options = ("--method", "abs", "--max-score", "0.5", "--pool", "all")
    filtered = nvmine_command("filter", tmp_path / "run", "--out", tmp_path / "other", *options)
    assert (filtered.returncode, filtered.stderr) == (0, "")
    assert f"{tmp_path / 'other'} is mined: " in filtered.stdout
    policy = nvmine.open_run(tmp_path / "other").policy
    assert policy == nvmine.Policy(method="abs", max_score=0.5, pool="all", n=1)
    checker.check(tmp_path / "other")
    again = nvmine_command("filter", tmp_path / "run", "--out", tmp_path / "run", "-n", "2")
    assert again.returncode == 2
    assert "policy.n: 1 → 2" in again.stderr


def test_several_teachers_make_the_ensemble_of_their_runs(pairs: Path, tmp_path: Path, nvmine_command: Command) -> None:
    both = tmp_path / "both"
    options = ("--method", "naive", "-n", "2")
    mined = nvmine_command(
        "mine", pairs, "--teacher", "bm25", "--teacher", "random", "--stemmer", "none", *options, "--out", both
    )
    assert (mined.returncode, mined.stderr) == (0, "")
    checker.check(both)
    agreement = nvmine_command("jaccard", both, "--top", "2")
    assert agreement.returncode == 0
    assert agreement.stdout.split()[:3] == ["bm25", "random", "bm25"]
    assert "how far the teachers agree" in nvmine_command("audit", both).stdout
    for name, more in {"bm25": ("--stemmer", "none"), "random": ()}.items():
        nvmine_command("mine", pairs, "--teacher", name, *more, *options, "--out", tmp_path / name)
    put = nvmine_command("ensemble", tmp_path / "bm25", tmp_path / "random", "--out", tmp_path / "again")
    assert (put.returncode, put.stderr) == (0, "")
    assert nvmine.open_run(tmp_path / "again").negatives().equals(nvmine.open_run(both).negatives())


def test_vectors_and_ranked_lists_make_one_teacher(pairs: Path, tmp_path: Path, nvmine_command: Command) -> None:
    draw = np.random.default_rng(0)
    np.save(tmp_path / "q.npy", draw.standard_normal((6, 8)))
    np.save(tmp_path / "p.npy", draw.standard_normal((6, 8)).astype(np.float16))
    rows = [f"q{query} Q0 p{passage} 1 {(query * passage) % 5 + 1} me" for query in range(6) for passage in range(6)]
    (tmp_path / "lists.trec").write_text("\n".join(rows) + "\n")
    vectors = ("--query-vectors", tmp_path / "q.npy", "--passage-vectors", tmp_path / "p.npy")
    files = (*vectors, "--candidates", tmp_path / "lists.trec", "--method", "naive", "--consistency", "6")
    mined = nvmine_command("mine", pairs, *files, "--out", tmp_path / "run")
    assert (mined.returncode, mined.stderr) == (0, "")
    checker.check(tmp_path / "run")
    assert nvmine.open_run(tmp_path / "run").manifest.teacher.name == "p+lists"


def test_a_capped_judge_goes_on_where_it_stopped(pairs: Path, tmp_path: Path, nvmine_command: Command) -> None:
    pytest.importorskip("httpx2")
    nvmine_command("mine", pairs, "--out", tmp_path / "run", "-n", "1", "--percentage", "0.99")
    with ChatServer(lambda asked: YES if "moon" in asked.prompt else NO) as server:
        out = tmp_path / "judged"
        options = ("--model", "tiny", "--base-url", server.base_url, "--on-relevant", "relabel")
        capped = nvmine_command("judge", tmp_path / "run", *options, "--max-questions", "1", "--out", out)
        assert capped.returncode == 2
        assert "TeacherError" in capped.stderr
        asked = len(server.asked)
        judged = nvmine_command("judge", tmp_path / "run", *options, "--out", out)
        assert (judged.returncode, judged.stderr) == (0, "")
        run = nvmine.open_run(out)
        assert len(server.asked) == run.verdicts().height
        assert asked == 1
    checker.check(out)
    assert "answered their query" in judged.stdout


def test_an_unknown_device_among_several_is_refused(pairs: Path, tmp_path: Path, nvmine_command: Command) -> None:
    done = nvmine_command("mine", pairs, "--out", tmp_path / "run", "--devices", "cpu,abacus")
    assert done.returncode == 2
    assert "device" in done.stderr


def test_options_reach_the_policy(pairs: Path, tmp_path: Path, nvmine_command: Command) -> None:
    options = ("--method", "margin", "--margin", "0.5", "--sampling", "softmax", "--first", "1", "--pool", "7")
    options += (
        "--seed",
        "9",
        "--anchor",
        "max",
        "--on-short",
        "drop",
        "--n",
        "2",
        "--min-score",
        "0.1",
        "--near-duplicate",
        "0.8",
    )
    done = nvmine_command("mine", pairs, "--out", tmp_path / "run", "--depth", "5", *options)
    assert done.returncode == 0, done.stderr
    policy = nvmine.open_run(tmp_path / "run").policy
    assert policy == nvmine.Policy(
        method="margin",
        margin=0.5,
        sampling="softmax",
        first=1,
        pool=7,
        seed=9,
        anchor="max",
        on_short="drop",
        n=2,
        min_score=0.1,
        near_duplicate=0.8,
    )


def test_ranked_lists_become_a_file_of_negatives(tmp_path: Path, nvmine_command: Command) -> None:
    run, qrels, out = tmp_path / "run.trec", tmp_path / "qrels.tsv", tmp_path / "negatives.parquet"
    run.write_text("".join(f"q{query} Q0 d{rank} {rank} {0.9 - rank / 10} t\n" for query in "12" for rank in range(5)))
    qrels.write_text("query-id\tcorpus-id\tscore\nq1\td0\t1\nq2\td1\t1\nq3\td1\t1\n")
    options = ("--method", "margin", "--margin", "0.05", "-n", "4")
    done = nvmine_command("mine", "--candidates", run, "--qrels", qrels, "--out", out, *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{out} is mined: 7 negatives for 2 queries",
        "1 have fewer than 4: their lists have no more that the policy allows",
        "1 queries of the qrels have no candidates and are left out",
    ]
    rows = pl.read_parquet(out).select("query_id", "negative_ids").rows()
    assert rows == [("q1", ["d1", "d2", "d3", "d4"]), ("q2", ["d2", "d3", "d4"])]
    csv = tmp_path / "run.csv"
    csv.write_text("question,answer,cosine\n" + "".join(f"q2,d{rank},{0.9 - rank / 10}\n" for rank in range(5)))
    names = ("--query-column", "question", "--passage-column", "answer", "--score-column", "cosine")
    done = nvmine_command("mine", "--candidates", csv, "--qrels", qrels, "--out", out, *options, *names)
    assert (done.returncode, done.stderr) == (0, "")
    assert pl.read_parquet(out)["negative_ids"].to_list() == [["d2", "d3", "d4"]]


VECTORS = ["--query-vectors", "{tmp}/v.npy", "--passage-vectors", "{tmp}/v.npy"]
BAD = {
    "neither texts nor lists": (["mine", "--out", "{tmp}/run"], "give either DATA"),
    "lists of texts": (
        ["mine", "{pairs}", "--candidates", "{pairs}", "--out", "{tmp}/run"],
        "none of the columns is known as passage",
    ),
    "vectors that no teacher is of": (
        ["mine", "{pairs}", *VECTORS, "--teacher", "bm25", "--out", "{tmp}/x"],
        "add --teacher vectors",
    ),
    "vectors of one side": (
        ["mine", "{pairs}", "--query-vectors", "{pairs}", "--out", "{tmp}/run"],
        "--query-vectors and --passage-vectors belong together",
    ),
    "an option of no teacher": (["mine", "{pairs}", "--task", "find", "--out", "{tmp}/run"], "--task: "),
    "random under a ceiling": (["mine", "{pairs}", "--teacher", "random", "--out", "{tmp}/run"], "use --method naive"),
    "qrels of texts": (["mine", "{pairs}", "--qrels", "{pairs}", "--out", "{tmp}/run"], "--qrels: "),
    "a teacher of ranked lists": (
        ["mine", "--candidates", "{pairs}", "--teacher", "bm25", "--out", "{tmp}/run"],
        "--teacher: this option has no meaning with --candidates",
    ),
    "ranked lists without scores": (
        ["mine", "--candidates", "{pairs}", "--qrels", "{pairs}", "--out", "{tmp}/run"],
        "name one with --passage-column",
    ),
    "no such data": (["mine", "{tmp}/nowhere.csv", "--out", "{tmp}/run"], "DataError: {tmp}/nowhere.csv"),
    "a column that is not there": (
        ["mine", "{pairs}", "--query-column", "question", "--out", "{tmp}/run"],
        "'question'",
    ),
    "a percentage that is none": (
        ["mine", "{pairs}", "--percentage", "95", "--out", "{tmp}/run"],
        "PolicyError: --percentage: ",
    ),
    "a similarity that is none": (
        ["mine", "{pairs}", "--near-duplicate", "80", "--out", "{tmp}/run"],
        "PolicyError: --near-duplicate: ",
    ),
    "a pool that is no number": (["mine", "{pairs}", "--pool", "most", "--out", "{tmp}/run"], "--pool: "),
    "an option of encoders": (["mine", "{pairs}", "--dtype", "float16", "--out", "{tmp}/run"], "--dtype: "),
    "no memory": (["mine", "{pairs}", "--memory", "much", "--out", "{tmp}/run"], "--memory: "),
    "no run": (["audit", "{tmp}"], "RunError: {tmp}: is not a run folder"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_exit_code_two(
    pairs: Path, tmp_path: Path, nvmine_command: Command, arguments: list[str], message: str
) -> None:
    np.save(tmp_path / "v.npy", np.ones((6, 2)))
    done = nvmine_command(*(argument.format(tmp=tmp_path, pairs=pairs) for argument in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert message.format(tmp=tmp_path) in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["mine", "x", "--method", "best", "--out", "x"], "'naive'"), (["dig"], "No such command")],
    ids=["method", "verb"],
)
def test_an_unknown_word_is_a_usage_error_without_a_traceback(
    nvmine_command: Command, arguments: list[str], message: str
) -> None:
    done = nvmine_command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_broken_json_names_the_line(pairs: Path, tmp_path: Path, nvmine_command: Command) -> None:
    with pairs.open("a", encoding="utf-8") as file:
        file.write('{"query": "a b", "positive": \n')
    done = nvmine_command("mine", pairs, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert f"{pairs}:7" in done.stderr


@pytest.mark.parametrize("verb", ["mine", "filter", "audit", "demo"])
def test_every_verb_explains_itself(verb: str, nvmine_command: Command) -> None:
    done = nvmine_command(verb, "--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 8


def test_the_version_is_printed(nvmine_command: Command) -> None:
    assert nvmine_command("--version").stdout.strip() == nvmine.__version__


def test_the_demo_mines_the_standard_library(tmp_path: Path, nvmine_command: Command) -> None:
    done = nvmine_command("demo", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\nnegative ") == 3 * 4
    run = nvmine.open_run(tmp_path / "run")
    assert run.manifest.data["passages"] > 1000
    checker.check(tmp_path / "run")


# --- A real process ----------------------------------------------------------------------------------------------


def test_the_module_runs_as_a_program(pairs: Path, tmp_path: Path) -> None:
    module = (sys.executable, "-m", "nvmine")
    mined = in_a_process(*module, "mine", pairs, "--out", tmp_path / "run", "-n", "1", "--percentage", "0.99")
    assert (mined.returncode, mined.stderr) == (0, "")
    assert f"{tmp_path / 'run'} is mined: " in mined.stdout
    checker.check(tmp_path / "run")
    refused = in_a_process(*module, "audit", tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"nvmine: RunError: {tmp_path}: ")
    assert refused.stderr.count("\n") == 1


def test_the_console_script_runs_the_same() -> None:
    script = Path(sysconfig.get_path("scripts")) / "nvmine"
    done = in_a_process(script, "--version")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, nvmine.__version__, "")


def test_an_interrupt_ends_the_process_with_exit_code_130_and_says_how_to_go_on(
    pairs: Path, tmp_path: Path, nvmine_command: Command
) -> None:
    """A real signal, sent when the first of the judge's questions arrives; none is ever answered."""
    pytest.importorskip("httpx2")
    nvmine_command("mine", pairs, "--out", tmp_path / "run", "-n", "1", "--percentage", "0.99")
    started: list[subprocess.Popen[str]] = []
    arrived = itertools.count(1)

    def interrupt(asked: Asked) -> Answer:
        if next(arrived) == 1:
            started[0].send_signal(signal.SIGINT)
        server.closing.wait()
        return NO

    with ChatServer(interrupt) as server:
        judge = ("judge", tmp_path / "run", "--model", "tiny", "--base-url", server.base_url, "--out", tmp_path / "x")
        command = [sys.executable, "-m", "nvmine", *map(str, judge)]
        # A shell starts what runs in its background with the signal ignored.
        started.append(
            subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        )
        try:
            stderr = started[0].communicate(timeout=60)[1]
        finally:
            started[0].kill()
    assert started[0].returncode == 130
    assert stderr.splitlines()[-1].startswith("nvmine: interrupted; run the same command again")
    assert "Traceback" not in stderr
    assert server.asked
