"""The memory between runs: what it gives back, and that nothing breaks when it breaks."""

from __future__ import annotations

import itertools
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

from imagebot.errors import StartError
from imagebot.state import State, sql, tables

FRESH = itertools.count()
REPO = "https://git.example/acme/gitops"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "var" / "state.db"


@pytest.fixture
def state(file: Path):
    with State.open(f"sqlite:///{file}") as opened:
        yield opened


def first_seen(state: State, repository: str, tags: list[str], now: float) -> dict[str, float]:
    return state.sightings({repository: tags}, now)[repository][1]


def test_scans_come_back_as_they_were(state: State) -> None:
    """A remembered scan is given back byte by byte, per repo, whatever its path."""
    rows = {"a.yaml": ("1" * 40, '{"uses": []}'), "ü/'; --.yaml": ("2" * 40, "")}
    state.remember_scans(REPO, 3, rows)
    state.remember_scans("other", 3, {"b.yaml": ("3" * 40, "x")})
    assert state.recall_scans(REPO, 3) == rows
    assert state.recall_scans("other", 3) == {"b.yaml": ("3" * 40, "x")}


def test_scans_are_replaced_whole(state: State) -> None:
    """A file that left the repo leaves the memory; an empty repo empties it."""
    state.remember_scans(REPO, 1, {"a": ("1", "x"), "b": ("2", "y")})
    state.remember_scans(REPO, 1, {"b": ("3", "z")})
    assert state.recall_scans(REPO, 1) == {"b": ("3", "z")}
    state.remember_scans(REPO, 1, {})
    assert state.recall_scans(REPO, 1) == {}


def test_scans_of_another_scanner_are_not_used(state: State) -> None:
    """A new version of the scanner starts with nothing, and leaves nothing of the old one."""
    state.remember_scans(REPO, 1, {"a": ("1", "x"), "gone": ("1", "x")})
    assert state.recall_scans(REPO, 2) == {}
    state.remember_scans(REPO, 2, {"a": ("1", "y")})
    assert state.recall_scans(REPO, 2) == {"a": ("1", "y")}
    assert state.recall_scans(REPO, 1) == {}


def test_a_path_that_is_no_text_is_left_out(state: State) -> None:
    """A path of arbitrary bytes is not remembered, and breaks nothing."""
    state.remember_scans(REPO, 1, {"ok": ("1", "x"), os.fsdecode(b"\xff.yaml"): ("2", "y")})
    assert state.recall_scans(REPO, 1) == {"ok": ("1", "x")}


def test_the_memory_outlives_the_process(file: Path) -> None:
    """What one run remembers, the next one knows."""
    with State.open(f"sqlite:///{file}") as first:
        first.remember_pull(REPO, "imagebot/web", 7)
        first.defer("docker.io", 50.0)
        first_seen(first, "docker.io/library/nginx", ["1.0"], 10.0)
        first.remember_scans(REPO, 1, {"a": ("1", "x")})
    with State.open(f"sqlite:///{file}") as second:
        assert second.pull_number(REPO, "imagebot/web") == 7
        assert second.until("docker.io") == 50.0
        assert first_seen(second, "docker.io/library/nginx", ["1.0"], 99.0) == {"1.0": 10.0}
        assert second.recall_scans(REPO, 1) == {"a": ("1", "x")}
        assert second.warnings == ()


def test_a_host_is_deferred_until_the_latest_time(state: State) -> None:
    """Two answers that ask for patience are both honoured; a host never deferred is free."""
    assert state.until("ghcr.io") == 0.0
    state.defer("ghcr.io", 100.0)
    state.defer("ghcr.io", 60.0)
    assert state.until("ghcr.io") == 100.0
    state.defer("ghcr.io", 200.5)
    assert state.until("ghcr.io") == 200.5
    assert state.until("quay.io") == 0.0


def test_a_pull_request_is_known_by_its_branch(state: State) -> None:
    """The number is per repo and branch, and the last one wins."""
    assert state.pull_number(REPO, "imagebot/web") is None
    state.remember_pull(REPO, "imagebot/web", 1)
    state.remember_pull(REPO, "imagebot/api", 2)
    state.remember_pull("other", "imagebot/web", 3)
    state.remember_pull(REPO, "imagebot/web", 4)
    assert state.pull_number(REPO, "imagebot/web") == 4
    assert state.pull_number(REPO, "imagebot/api") == 2
    assert state.pull_number("other", "imagebot/web") == 3


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(looks=st.lists(st.lists(st.sampled_from("abcdef"), max_size=8), max_size=6))
def test_first_seen_never_changes(state: State, looks: list[list[str]]) -> None:
    """A tag's time is that of the first call that named it, and exactly the named tags answer."""
    key = f"repository {next(FRESH)}"
    expected: dict[str, float] = {}
    for now, tags in enumerate(looks, start=1):
        for tag in tags:
            expected.setdefault(tag, float(now))
        assert first_seen(state, key, tags, float(now)) == {t: expected[t] for t in tags}


def test_first_seen_survives_a_race(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that sees a tag between our look and our write keeps its earlier time."""
    first_seen(state, "r", ["1.0"], 1.0)
    answers = [{}, {"r": {"1.0": 1.0}}]
    monkeypatch.setattr(state, "_sightings", lambda _: answers.pop(0))
    first_seen(state, "r", ["1.0"], 9.0)
    monkeypatch.undo()
    assert first_seen(state, "r", ["1.0"], 10.0) == {"1.0": 1.0}


class Recorder:
    """Stands for a connection: compiles what it is given, for PostgreSQL."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def execute(self, statement, rows=None):
        self.statements.append(str(statement.compile(dialect=postgresql.dialect())))
        return self

    def all(self) -> list[object]:
        return []

    def scalar(self) -> None:
        return None

    def scalar_one(self) -> int:
        return tables.SCHEMA_VERSION


def test_every_statement_is_postgresql_too() -> None:
    """Nothing that is asked of SQLite is unknown to PostgreSQL's dialect."""
    state = sql.SqlState.__new__(sql.SqlState)
    state._url = sql.make_url("postgresql://host/database")
    connection = Recorder()
    state._run = lambda work: work(connection)
    assert state._create_tables(connection) == tables.SCHEMA_VERSION
    state.remember_scans("r", 1, {"a": ("1", "x")})
    state.recall_scans("r", 1)
    state.defer("h", 1.0)
    state.until("h")
    state.remember_pull("r", "b", 1)
    state.pull_number("r", "b")
    state.remember_listings("r", {"a": (1, 0)})
    state.recall_listings("r")
    state.digest_moves({("r", "1"): "sha256:a"}, 1.0)
    with pytest.raises(KeyError):
        first_seen(state, "r", ["1"], 1.0)
    joined = "\n".join(connection.statements)
    assert joined.count("CREATE TABLE IF NOT EXISTS") == len(tables.metadata.tables)
    assert joined.count("ON CONFLICT") == 7
    assert "DOUBLE PRECISION" in joined


def test_only_the_owner_can_read_it(file: Path, state: State) -> None:
    """The file is 0600 and its new folder 0700, SQLite's companions included."""
    state.defer("a", 1.0)
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    modes = {f.name: stat.S_IMODE(f.stat().st_mode) for f in file.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert "state.db-wal" in modes


def test_an_open_file_is_narrowed(file: Path) -> None:
    """A file that others could read is made private when it is opened."""
    State.open(f"sqlite:///{file}").close()
    file.chmod(0o644)
    State.open(f"sqlite:///{file}").close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    """A mounted volume is not imagebot's to change."""
    tmp_path.chmod(0o755)
    State.open(f"sqlite:///{tmp_path}/state.db").close()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def _damage_with_noise(file: Path) -> None:
    file.write_bytes(b"\x00garbage\xff" * 2000)


def _damage_by_truncation(file: Path) -> None:
    with State.open(f"sqlite:///{file}") as state:
        state.remember_scans(REPO, 1, {f"f{n}": ("1" * 40, "x" * 200) for n in range(500)})
    os.truncate(file, file.stat().st_size // 2)


def _damage_the_pages(file: Path) -> None:
    with State.open(f"sqlite:///{file}") as state:
        state.remember_scans(REPO, 1, {f"f{n}": ("1" * 40, "x" * 200) for n in range(500)})
    size = file.stat().st_size
    with file.open("r+b") as raw:
        raw.seek(4096)
        raw.write(b"\xab" * (size - 4096))


@pytest.mark.parametrize("damage", [_damage_with_noise, _damage_by_truncation, _damage_the_pages])
def test_a_damaged_file_is_moved_aside(file: Path, damage) -> None:
    """Garbage, a truncated file and overwritten pages cost the memory, never the run."""
    file.parent.mkdir()
    damage(file)
    with State.open(f"sqlite:///{file}") as state:
        assert state.recall_scans(REPO, 1) == {}
        state.remember_scans(REPO, 1, {"a": ("1", "x")})
        assert state.recall_scans(REPO, 1) == {"a": ("1", "x")}
        assert len(state.warnings) == 1
        assert "state.db.damaged" in state.warnings[0]
    assert (file.parent / "state.db.damaged").exists()


def test_an_empty_file_is_simply_filled(file: Path) -> None:
    """A file truncated to nothing is a new state, without a warning."""
    file.parent.mkdir()
    file.touch()
    with State.open(f"sqlite:///{file}") as state:
        state.defer("a", 1.0)
        assert state.warnings == ()


def test_damage_during_a_run_is_mended_once_for_all_threads(file: Path) -> None:
    """A file that breaks under a running bot is begun anew by one thread; all go on."""
    with State.open(f"sqlite:///{file}") as state:
        state.remember_scans(REPO, 1, {f"f{n}": ("1" * 40, "x" * 500) for n in range(500)})
        sqlite3.connect(file).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        for companion in ("-wal", "-shm"):
            Path(f"{file}{companion}").unlink(missing_ok=True)
        with file.open("r+b") as raw:
            raw.write(b"not a database any more" * 4000)
        results: list[str | None] = []

        def work(number: int) -> None:
            state.remember_pull(REPO, f"b{number}", number)
            results.append(f"{number}:{state.pull_number(REPO, f'b{number}')}")

        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(results) == 6
        assert len(state.warnings) == 1


def test_a_table_that_vanishes_during_a_run_is_made_again(file: Path) -> None:
    """Somebody empties the cache under a running bot: the bot begins anew."""
    with State.open(f"sqlite:///{file}") as state:
        state.remember_pull(REPO, "b", 1)
        with sqlite3.connect(file) as raw:
            raw.execute("DROP TABLE imagebot_pulls")
        state.remember_pull(REPO, "b", 2)
        assert state.pull_number(REPO, "b") == 2


def test_a_stuck_lock_is_left_behind(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file locked for longer than any write takes is moved aside, not waited for."""
    monkeypatch.setattr(sql, "BUSY_SECONDS", 0.1)
    State.open(f"sqlite:///{file}").close()
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with State.open(f"sqlite:///{file}") as state:
            state.remember_pull(REPO, "b", 1)
            assert state.pull_number(REPO, "b") == 1
            assert "locked" in state.warnings[0]
    finally:
        holder.close()


def test_a_newer_schema_is_refused(file: Path) -> None:
    """What a newer imagebot wrote is neither used nor destroyed."""
    State.open(f"sqlite:///{file}").close()
    with sqlite3.connect(file) as raw:
        raw.execute("UPDATE imagebot_about SET number = ?", (tables.SCHEMA_VERSION + 1,))
    before = file.read_bytes()
    with pytest.raises(StartError, match="newer imagebot") as refused:
        State.open(f"sqlite:///{file}")
    assert refused.value.hint
    with sqlite3.connect(file) as raw:
        found = raw.execute("SELECT number FROM imagebot_about").fetchall()
    assert found == [(tables.SCHEMA_VERSION + 1,)]
    assert len(file.read_bytes()) == len(before)


def test_an_older_schema_is_begun_anew(file: Path) -> None:
    """What an older imagebot remembered is forgotten."""
    with State.open(f"sqlite:///{file}") as state:
        state.remember_pull(REPO, "b", 1)
    with sqlite3.connect(file) as raw:
        raw.execute("UPDATE imagebot_about SET number = 0")
    for _ in range(2):
        with State.open(f"sqlite:///{file}") as state:
            assert state.pull_number(REPO, "b") is None


def test_a_symlink_is_no_state(tmp_path: Path) -> None:
    """A planted link is never followed, and what it points to is not touched."""
    target = tmp_path / "target"
    target.write_text("precious")
    (tmp_path / "state.db").symlink_to(target)
    with pytest.raises(StartError, match="no regular file"):
        State.open(f"sqlite:///{tmp_path}/state.db")
    assert target.read_text() == "precious"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("mysql://u@h/d", "'mysql' is not supported"),
        ("not a url", "is no URL"),
        ("postgresql+nosuchdriver://u:geheim@h/d", ""),
    ],
)
def test_an_unusable_url_is_refused_in_words(url: str, words: str) -> None:
    """A URL that cannot work says so at the start, without the password in it."""
    with pytest.raises(StartError) as refused:
        State.open(url)
    assert words in str(refused.value)
    assert "geheim" not in str(refused.value)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A place out of reach stops the start with its path."""
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"file/state\.db"):
        State.open(f"sqlite:///{tmp_path}/file/state.db")


FULL = """
import resource, sys
from imagebot.errors import StartError
from imagebot.state import State
state = State.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    state.remember_scans("r", 1, {f"f{n}": ("1" * 40, "x" * 1000) for n in range(500)})
except StartError as error:
    print("refused:", error.message)
"""


def test_a_full_disk_is_an_error_and_the_next_run_is_well(file: Path) -> None:
    """A write that does not fit says so; what was there before is still there."""
    with State.open(f"sqlite:///{file}") as state:
        state.remember_pull(REPO, "b", 1)
    done = subprocess.run(
        [sys.executable, "-c", FULL, f"sqlite:///{file}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("refused: state sqlite:///")
    assert "INSERT" not in done.stdout
    with State.open(f"sqlite:///{file}") as state:
        assert state.pull_number(REPO, "b") == 1
        assert state.recall_scans("r", 1) == {}


def test_threads_share_one_state(state: State) -> None:
    """Eight threads writing at once lose nothing and see no error."""
    failures: list[StartError] = []

    def work(number: int) -> None:
        try:
            for step in range(20):
                state.remember_pull(REPO, f"b{number}-{step}", step)
                first_seen(state, "r", [f"t{step}"], float(number + 1))
        except StartError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(state.pull_number(REPO, f"b{n}-{s}") == s for n in range(8) for s in range(20))


OPENER = """
import sys
from imagebot.state import State
with State.open(sys.argv[1]) as state:
    state.remember_pull("r", sys.argv[2], int(sys.argv[2]))
    assert not state.warnings, state.warnings
"""


def test_processes_may_open_a_new_state_together(file: Path) -> None:
    """A CronJob and a person starting at once make one state, with both their entries."""
    runs = [
        subprocess.Popen([sys.executable, "-c", OPENER, f"sqlite:///{file}", str(n)])
        for n in range(4)
    ]
    assert [run.wait(60) for run in runs] == [0, 0, 0, 0]
    with State.open(f"sqlite:///{file}") as state:
        assert [state.pull_number("r", str(n)) for n in range(4)] == [0, 1, 2, 3]


def test_the_database_library_is_not_loaded_before_it_is_needed() -> None:
    """Importing the state costs no start-up time."""
    code = "import sys, imagebot.state; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_ten_thousand_scans_are_fast(state: State) -> None:
    """Recall costs at most 60 ms of CPU and replacing 200 ms, for 10,000 files."""
    rows = {f"overlays/dev/{n}.yaml": (f"{n:040x}", '{"uses": []}' * 20) for n in range(10_000)}

    def best(work) -> float:
        times = []
        for _ in range(3):
            start = time.thread_time()
            work()
            times.append(time.thread_time() - start)
        return min(times)

    assert best(lambda: state.remember_scans(REPO, 1, rows)) < 0.2
    assert best(lambda: state.recall_scans(REPO, 1)) < 0.06


def test_the_first_look_is_the_earliest_sighting(state: State) -> None:
    """It stays the first one, also when every tag of that day is gone from the list."""
    assert state.sightings({"r": []}, 5.0) == {"r": (5.0, {})}
    state.sightings({"r": ["1.0", "1.1"], "other": ["1"]}, 10.0)
    found = state.sightings({"r": ["1.1", "1.2"], "other": []}, 20.0)
    assert found == {"r": (10.0, {"1.1": 10.0, "1.2": 20.0}), "other": (10.0, {})}
    assert state.sightings({"r": ["1.2"]}, 30.0) == {"r": (10.0, {"1.2": 20.0})}
    assert state.sightings({}, 30.0) == {}


def test_tags_that_are_long_gone_are_forgotten(state: State, file: Path) -> None:
    """Nightly tags come and go without end; memory does not grow with them."""
    month = 30 * 86_400.0
    for night in range(12):
        state.sightings({"r": ["1.0", f"nightly-{night}"]}, night * month)
    with closing(sqlite3.connect(file)) as database:
        rows = database.execute("select tag from imagebot_sightings").fetchall()

    assert len(rows) <= 6
    assert ("1.0",) in rows
    assert state.sightings({"r": ["1.0"]}, 12 * month) == {"r": (0.0, {"1.0": 0.0})}


def test_lists_are_remembered_for_each_repo(state: State) -> None:
    """Sizes and doubts come back; what is not written again stays; each repo counts its own."""
    state.remember_listings(REPO, {"a": (100, 0), "b": (7, 1)})
    state.remember_listings("other", {"a": (1, 2)})
    state.remember_listings(REPO, {"b": (7, 2)})
    state.remember_listings(REPO, {})
    assert state.recall_listings(REPO) == {"a": (100, 0), "b": (7, 2)}
    assert state.recall_listings("other") == {"a": (1, 2)}
    assert state.recall_listings("unknown") == {}


def test_a_tag_that_moves_is_told_with_where_it_was(state: State) -> None:
    """Only a change of the digest is a move; it is told again until the next one."""
    assert state.digest_moves({("r", "1.0"): "sha256:a", ("r", "1.1"): "sha256:x"}, 10.0) == {}
    assert state.digest_moves({("r", "1.0"): "sha256:a"}, 20.0) == {}
    moved = {("r", "1.0"): ("sha256:a", 30.0)}
    assert state.digest_moves({("r", "1.0"): "sha256:b", ("q", "1.0"): "sha256:b"}, 30.0) == moved
    assert state.digest_moves({("r", "1.0"): "sha256:b", ("r", "1.1"): "sha256:x"}, 40.0) == moved
    assert state.digest_moves({("r", "1.1"): "sha256:x"}, 40.0) == {}
    back = {("r", "1.0"): ("sha256:b", 50.0)}
    assert state.digest_moves({("r", "1.0"): "sha256:a"}, 50.0) == back
    assert state.digest_moves({}, 60.0) == {}


def test_very_many_repositories_fit_one_question(state: State) -> None:
    """A database caps the parameters of a statement; a repo with thousands of images is no error."""
    digests = {(f"r{n}", "1"): "sha256:a" for n in range(1200)}
    assert state.digest_moves(digests, 1.0) == {}
    moved = state.digest_moves(dict.fromkeys(digests, "sha256:b"), 2.0)
    assert set(moved.values()) == {("sha256:a", 2.0)}
    assert moved.keys() == digests.keys()
