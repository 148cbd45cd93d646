"""Shards come whole or not at all, are resumed and checked, and the token stays with the hub: a real client and a real server."""

import hashlib
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from eval import download, shards
from eval.download import OutOfReach, fetch
from eval.errors import RefereeError
from eval.hub import Bearer, Remote
from eval.sources import SOURCES
from tests.eval.hubserver import Hub, serving

ROOT = Path(download.__file__).parents[1]
SOURCE = SOURCES["climbmix"]
NAMES = SOURCE.files(2)
TOKEN = "hf_verysecret"
CONTENT = {name: (hashlib.sha256(name.encode()).digest() * 8000)[: 200_000 + i] for i, name in enumerate(NAMES)}


@pytest.fixture
def hub(monkeypatch):
    with serving() as hub:
        hub.files |= CONTENT
        monkeypatch.setenv("HF_ENDPOINT", hub.url())
        monkeypatch.setattr(download, "WAITS", (0.0,) * 5)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub


def get(cache: Path, count: int = 2, said: list[str] | None = None, room: int = 0) -> list[Path]:
    return fetch(SOURCE, count, cache, (said if said is not None else []).append, room)


def one(cache: Path, said: list[str] | None = None) -> bytes:
    """The content of the pinned file and of one training shard, fetched."""
    return b"".join(path.read_bytes() for path in get(cache, 1, said))


WHOLE = CONTENT[NAMES[0]] + CONTENT[NAMES[1]]


# ---- whole


def test_files_arrive_as_they_are(hub, tmp_path):
    assert {path.name: path.read_bytes() for path in get(tmp_path)} == CONTENT


def test_a_record_says_what_a_file_is(hub, tmp_path):
    path = get(tmp_path)[0]
    record = shards.record_of(path)
    assert (record.bytes, record.sha256, record.checked) == (len(CONTENT[path.name]), hashlib.sha256(CONTENT[path.name]).hexdigest(), True)
    assert record.url.endswith("/datasets/karpathy/climbmix-400b-shuffle/resolve/main/shard_06542.parquet") and record.commit == "c" * 40


def test_only_the_files_that_the_number_needs_are_asked_for(hub, tmp_path):
    get(tmp_path, 1)
    assert {Path(path.partition("?")[0]).name for _, _, path, _ in hub.asked} == {"shard_06542.parquet", "shard_00000.parquet"}


def test_what_is_there_is_not_asked_for_again(hub, tmp_path):
    get(tmp_path)
    hub.asked.clear()
    get(tmp_path)
    assert hub.asked == []


def test_nothing_else_is_left_in_the_folder(hub, tmp_path):
    hub.cut = [70_000]
    folder = get(tmp_path)[0].parent
    assert sorted(path.name for path in folder.iterdir()) == sorted(["lock", *NAMES, *(f"{name}.json" for name in NAMES)])


# ---- broken off


def test_a_broken_connection_is_resumed_where_it_broke(hub, tmp_path):
    hub.cut = [150_000]
    one(tmp_path)
    (resumed,) = [headers["range"] for _, _, _, headers in hub.asked if "range" in headers]
    assert 100_000 <= int(resumed.removeprefix("bytes=").removesuffix("-")) <= 150_000


def test_what_was_resumed_is_whole(hub, tmp_path):
    hub.cut = [150_000, 80_000, 10_000, 30_000]
    assert one(tmp_path) == WHOLE


def test_a_server_without_ranges_is_asked_for_the_whole(hub, tmp_path):
    hub.cut, hub.ranges = [150_000], False
    assert one(tmp_path) == WHOLE and hub.count("cdn") == 3


def test_an_end_that_comes_too_early_is_noticed_without_a_length(hub, tmp_path):
    hub.cut, hub.lengths = [150_000], False
    assert one(tmp_path) == WHOLE


def test_a_kill_after_the_last_byte_costs_no_second_download(hub, tmp_path):
    path = tmp_path / "downloads/climbmix" / NAMES[0]
    path.parent.mkdir(parents=True)
    content = CONTENT[NAMES[0]]
    download.part_of(path, Remote("", len(content), hashlib.sha256(content).hexdigest())).write_bytes(content)
    assert one(tmp_path) == WHOLE and hub.count("cdn") == 1


PROGRAM = "import sys; from pathlib import Path; from eval.download import fetch; from eval.sources import SOURCES\n"
PROGRAM += "fetch(SOURCES['climbmix'], int(sys.argv[2]), Path(sys.argv[1]), lambda text: print(text, flush=True))"


def process(cache: Path, count: int = 1) -> subprocess.Popen:
    argv = [sys.executable, "-c", PROGRAM, str(cache), str(count)]
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_kill_leaves_nothing_half_and_the_rest_is_fetched(hub, tmp_path, how):
    hub.gate.clear()
    running = process(tmp_path)
    assert hub.half.wait(60)
    while not any(part.stat().st_size for part in (tmp_path / "downloads/climbmix").glob("*.part")):
        pass
    running.send_signal(how)
    if how == signal.SIGINT:  # it ends what it reads at the moment
        hub.gate.set()
    running.communicate(timeout=60)
    hub.gate.set()
    left = {path.name: path.read_bytes() for path in (tmp_path / "downloads/climbmix").glob("*.parquet")}
    assert left == {name: CONTENT[name] for name in left} and (how == signal.SIGINT or not left)
    hub.asked.clear()
    assert one(tmp_path) == WHOLE
    assert left or any("range" in headers for _, _, _, headers in hub.asked), "begun anew"


def test_two_processes_fetch_once(hub, tmp_path):
    hub.gate.clear()
    running = [process(tmp_path, 2), process(tmp_path, 2)]
    assert hub.half.wait(60)
    waiting = next(line for line in iter(lambda: running[0].stdout.readline() + running[1].stdout.readline(), "") if line)
    hub.gate.set()
    said = [waiting + "".join(program.communicate(timeout=60)) for program in running]
    assert [program.returncode for program in running] == [0, 0], said
    assert hub.count("cdn") == len(NAMES)
    assert any("another process is fetching climbmix" in text for text in said)


# ---- wrong


def test_wrong_bytes_are_refused_and_thrown_away(hub, tmp_path):
    hub.lie = bytes(200_000)
    with pytest.raises(RefereeError, match="wrong bytes: sha256 [0-9a-f]{64}, expected [0-9a-f]{64}"):
        get(tmp_path, 1)
    assert not [path for path in (tmp_path / "downloads/climbmix").iterdir() if path.name.startswith(NAMES[0])]


@pytest.mark.parametrize("damage", ["flipped", "short", "gone"])
def test_a_damaged_file_is_fetched_again(hub, tmp_path, damage):
    path = get(tmp_path)[1]
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"x" + content[1:] if damage == "flipped" else content[:-1])
    assert get(tmp_path)[1].read_bytes() == content


def test_another_file_by_the_same_name_is_refused(hub, tmp_path):
    get(tmp_path)[1].unlink()
    hub.files[NAMES[1]] = b"another" * 1000
    with pytest.raises(RefereeError, match=r"not the file that was fetched before.*delete .*shard_00000.parquet.json"):
        get(tmp_path)


def test_contents_are_never_mixed(hub, tmp_path):
    part = tmp_path / "downloads/climbmix" / f"{NAMES[1]}.0123456789abcdef.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"of an older file" * 1000)
    assert one(tmp_path) == WHOLE and not part.exists()


def test_a_mirror_that_says_no_checksum_is_resumed_by_its_etag(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "WAITS", (0.0,) * 5)
    with serving(mirror=True) as hub:
        hub.files |= CONTENT
        hub.cut = [150_000]
        monkeypatch.setenv("HF_ENDPOINT", hub.url())
        assert one(tmp_path) == WHOLE
        assert [headers["if-range"] for _, _, _, headers in hub.asked if "range" in headers]
        assert shards.record_of(tmp_path / "downloads/climbmix" / NAMES[0]).checked is False


def test_a_mirror_whose_file_changes_half_way_is_begun_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "WAITS", (0.0,) * 5)
    with serving(mirror=True) as hub:
        hub.files |= CONTENT
        hub.cut = [150_000]
        hub.gate.clear()
        monkeypatch.setenv("HF_ENDPOINT", hub.url())
        newer = {name: content[::-1] for name, content in CONTENT.items()}

        def change() -> None:
            hub.half.wait(60)
            hub.files |= newer
            hub.gate.set()

        threading.Thread(target=change).start()
        found = {path.name: path.read_bytes() for path in get(tmp_path, 1)}
        assert all(found[name] in (CONTENT[name], newer[name]) for name in found), "a mixture of both"


# ---- faults of the way


def test_passing_faults_are_waited_out(hub, tmp_path):
    hub.statuses = {"hub": [503, 429, 500], "cdn": [502, 504]}
    assert one(tmp_path) == WHOLE


def test_an_address_that_expired_is_signed_anew(hub, tmp_path):
    hub.statuses["cdn"] = [403, 403]
    assert one(tmp_path) == WHOLE
    assert hub.count("hub", "HEAD") == 4


def test_a_hub_that_stays_away_is_given_up(hub, tmp_path):
    hub.statuses["hub"] = [503] * 100
    with pytest.raises(OutOfReach, match="could not be fetched: 127.0.0.1 answers 503, 6 times in a row.*run again"):
        get(tmp_path, 1)
    assert hub.count("hub", "HEAD") <= 2 * download.ATTEMPTS


def test_progress_renews_the_patience(hub, tmp_path):
    hub.files[NAMES[0]] = CONTENT[NAMES[0]] * 8
    hub.cut = [80_000] * 4 * download.ATTEMPTS
    assert get(tmp_path, 1)[0].read_bytes() == hub.files[NAMES[0]]


@pytest.mark.parametrize(("status", "words"), [(401, "set HF_TOKEN"), (403, "set HF_TOKEN"), (404, "cannot be fetched")])
def test_refusals_are_not_repeated(hub, tmp_path, status, words):
    hub.statuses["hub"] = [status, status]
    with pytest.raises(RefereeError, match=words):
        get(tmp_path, 1)
    assert hub.count("hub", "HEAD") <= 2


def test_a_full_disk_is_told_before_anything_is_fetched(hub, tmp_path):
    with pytest.raises(RefereeError, match=r"needs 400000\d.\d GB on the disk .*free some space.*AUTORESEARCH_CACHE.*`climbmix:1`"):
        get(tmp_path, room=4 * 10**15)
    assert hub.count("cdn") == 0


# ---- brought by a person


def test_a_file_that_a_person_put_there_is_recorded(hub, tmp_path):
    folder = tmp_path / "downloads/climbmix"
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_bytes(CONTENT[name])
    get(tmp_path)
    assert hub.count("cdn") == 0 and shards.record_of(folder / NAMES[0]).checked


def test_a_wrong_file_that_a_person_put_there_is_replaced(hub, tmp_path):
    folder = tmp_path / "downloads/climbmix"
    folder.mkdir(parents=True)
    (folder / NAMES[0]).write_bytes(b"something else")
    assert get(tmp_path)[0].read_bytes() == CONTENT[NAMES[0]]


def test_without_a_hub_a_file_is_taken_as_it_is(hub, tmp_path):
    folder = tmp_path / "downloads/climbmix"
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_bytes(CONTENT[name])
    hub.close()
    said: list[str] = []
    get(tmp_path, said=said)
    assert not shards.record_of(folder / NAMES[0]).checked and any("is taken as it is" in line for line in said)


# ---- the token


def test_the_token_goes_to_the_hub_alone(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    get(tmp_path)
    sent = {name: {headers.get("authorization") for server, _, _, headers in hub.asked if server == name} for name in ("hub", "cdn")}
    assert sent == {"hub": {f"Bearer {TOKEN}"}, "cdn": {None}}


def test_no_other_secret_is_sent(hub, tmp_path, monkeypatch):
    """requests sends what ~/.netrc has for a host, which would go to every host that we are sent to."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    get(tmp_path)
    assert {headers.get("authorization") for _, _, _, headers in hub.asked} == {None}


@pytest.mark.parametrize(
    ("home", "url", "sent"),
    [
        ("https://huggingface.co", "https://huggingface.co/a", True),
        ("https://huggingface.co", "https://huggingface.co:443/a", True),
        ("https://huggingface.co", "http://huggingface.co/a", False),
        ("https://huggingface.co", "https://huggingface.co:8443/a", False),
        ("https://huggingface.co", "https://huggingface.co.evil.org/a", False),
        ("https://huggingface.co", "https://cdn.huggingface.co/a", False),
        ("http://mirror.example.org", "http://mirror.example.org/a", False),  # anybody on the way could read it
        ("http://localhost:8000", "http://localhost:8000/a", True),
    ],
)
def test_where_the_token_may_go(home, url, sent):
    request = requests.Request("GET", url, headers={"Authorization": "of somebody else"}, auth=Bearer(TOKEN, home)).prepare()
    assert request.headers.get("Authorization") == (f"Bearer {TOKEN}" if sent else None)


def every_word(hub: Hub, cache: Path) -> str:
    said: list[str] = []
    with pytest.raises(RefereeError) as caught:
        get(cache, 1, said)
    chain, error = [], caught.value
    while error:
        chain.append(repr(error))
        error = error.__cause__
    files = [path.read_text() for path in cache.rglob("*.json")]
    return "\n".join([*said, *chain, *files])


@pytest.mark.parametrize("trouble", ["cut", "cdn", "hub", "lie", "gone", "lost"])
def test_no_message_shows_the_token_or_a_signature(hub, tmp_path, monkeypatch, trouble):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    if trouble == "cut":
        hub.cut = [0] * 100
    elif trouble == "lie":
        hub.lie = bytes(200_000)
    elif trouble == "gone":
        hub.servers["cdn"].shutdown()
        hub.servers["cdn"].server_close()
    elif trouble == "lost":
        hub.statuses["cdn"] = [404] * 100
    else:
        hub.statuses[trouble] = [403] * 100
    words = every_word(hub, tmp_path)
    assert words and TOKEN not in words and "signature-0" not in words


def test_the_environments_proxy_is_used(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("http_proxy", hub.url())
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert one(tmp_path) == WHOLE
    asked = [(path, headers) for server, _, path, headers in hub.asked if server == "hub"]
    assert all(path.startswith("http://hub.invalid/") and "authorization" not in headers for path, headers in asked)


@pytest.mark.parametrize("text", ["huggingface.co", "ftp://x"])
def test_a_bad_endpoint_is_explained(tmp_path, monkeypatch, text):
    monkeypatch.setenv("HF_ENDPOINT", text)
    with pytest.raises(RefereeError, match="HF_ENDPOINT is .*write an address such as https://huggingface.co"):
        get(tmp_path)


def test_the_addresses_are_upstreams(monkeypatch):
    from eval.hub import Hub as Client

    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    found = [Client.of_environment().address(source.repository, source.files(2)[-1]) for source in SOURCES.values()]
    assert found == [
        "https://huggingface.co/datasets/karpathy/climbmix-400b-shuffle/resolve/main/shard_00001.parquet",
        "https://huggingface.co/datasets/karpathy/tinystories-gpt4-clean/resolve/main/tinystories_gpt4_clean.parquet",
    ]


def test_a_half_written_record_is_no_record(hub, tmp_path):
    path = get(tmp_path)[0]
    shards.beside(path).write_text(json.dumps({"bytes": 3}))
    assert shards.recorded(SOURCE, 2, tmp_path) is None
    assert get(tmp_path)[0].read_bytes() == CONTENT[path.name] and shards.recorded(SOURCE, 2, tmp_path)
