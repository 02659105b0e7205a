import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fetch_slide
import paths
import pytest
import real_slides
from fetch_slide import FetchError, RealSlide

CONTENT = bytes(range(256)) * 10_000


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/broken.svs":
            self.send_error(503)
            return
        body = {"/long.svs": CONTENT + b"x", "/wrong.svs": bytes(len(CONTENT))}.get(
            self.path, CONTENT
        )
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: 1000 if self.path == "/cut.svs" else None])

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture
def slide_at(server):
    def at(name):
        return RealSlide(
            url=f"{server}/{name}",
            size_bytes=len(CONTENT),
            sha256=hashlib.sha256(CONTENT).hexdigest(),
            licence="CC0-1.0",
            about="a test",
        )

    return at


def test_a_good_slide_arrives_whole(slide_at, tmp_path):
    path = fetch_slide.fetch(slide_at("good.svs"), tmp_path / "new")
    assert path == tmp_path / "new" / "good.svs"
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wrong.svs", "sha-256 is .* listed is"),
        ("long.svs", "longer than the 2560000 bytes listed"),
        ("cut.svs", "ended after 1000 of 2560000|IncompleteRead"),
        ("broken.svs", "503"),
    ],
)
def test_a_bad_download_is_refused_and_leaves_nothing(slide_at, tmp_path, name, message):
    with pytest.raises(FetchError, match=message):
        fetch_slide.fetch(slide_at(name), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_silent_server_is_reported(slide_at, tmp_path):
    slide = slide_at("x.svs")
    nowhere = replace(slide, url="http://127.0.0.1:9/x.svs")
    with pytest.raises(FetchError, match="try again later"):
        fetch_slide.fetch(nowhere, tmp_path)


def test_a_slide_already_there_is_checked_not_fetched(slide_at, tmp_path):
    present = tmp_path / "broken.svs"  # the server would answer 503
    present.write_bytes(CONTENT)
    assert fetch_slide.fetch(slide_at("broken.svs"), tmp_path) == present
    present.write_bytes(CONTENT[:-1])
    with pytest.raises(FetchError, match=r"broken\.svs: ended after"):
        fetch_slide.fetch(slide_at("broken.svs"), tmp_path)
    assert present.exists()


def test_the_command_line(slide_at, tmp_path, monkeypatch, capsys):
    slides = {"good": slide_at("good.svs"), "wrong": slide_at("wrong.svs")}
    monkeypatch.setattr(fetch_slide, "load_list", lambda: slides)
    assert fetch_slide.main([]) == 0
    assert "CC0-1.0: a test" in capsys.readouterr().out
    assert fetch_slide.main(["good", "-o", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "good.svs")
    assert fetch_slide.main(["wrong", "-o", str(tmp_path)]) == 1
    assert "sha-256" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        fetch_slide.main(["unknown"])


@pytest.fixture
def small_slides(slide_at, monkeypatch):
    slides = {
        "large": slide_at("large.svs"),
        "one": replace(slide_at("one.svs"), small=True),
        "two": replace(slide_at("download"), small=True, file="two.ndpi"),
    }
    monkeypatch.setattr(fetch_slide, "load_list", lambda: slides)
    return slides


@pytest.mark.usefixtures("small_slides")
def test_the_small_ones_come_under_their_names_to_where_the_tests_look(
    tmp_path, monkeypatch, capsys
):
    assert fetch_slide.REAL in paths.REAL
    monkeypatch.setattr(fetch_slide, "REAL", tmp_path / "real")
    assert fetch_slide.main(["--small"]) == 0
    files = [tmp_path / "real" / name for name in ("one.svs", "two.ndpi")]
    assert sorted((tmp_path / "real").iterdir()) == files
    assert all(file.read_bytes() == CONTENT for file in files)
    assert capsys.readouterr().out.splitlines() == list(map(str, files))
    with pytest.raises(SystemExit, match="2"):
        fetch_slide.main(["large", "--small"])


def test_one_that_cannot_be_had_keeps_no_other_away(small_slides, slide_at, tmp_path, capsys):
    small_slides["one"] = replace(slide_at("wrong.svs"), small=True)
    assert fetch_slide.main(["--small", "-o", str(tmp_path)]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["two.ndpi"]
    assert "sha-256" in capsys.readouterr().err


LISTED = fetch_slide.load_list()
SMALL = {name: slide for name, slide in LISTED.items() if slide.small}


def test_the_committed_list_is_well_formed():
    assert "CMU-1-Small-Region" in SMALL
    for slide in LISTED.values():
        assert slide.url.startswith("https://")
        assert len(bytes.fromhex(slide.sha256)) == 32
        assert slide.size_bytes > 0
        assert slide.licence
    names = [slide.filename for slide in LISTED.values()]
    assert len(set(names)) == len(names)
    assert sum(slide.size_bytes for slide in SMALL.values()) < 10e6


@pytest.mark.parametrize("slide", SMALL.values(), ids=SMALL)
def test_a_listed_small_slide_is_the_one_the_tests_know(shared_slides, slide):
    path = shared_slides / slide.filename
    assert fetch_slide.fetch(slide, path.parent) == path  # it is there, so this only checks it


def test_what_is_skipped_says_how_to_get_it(shared_slides, monkeypatch, tmp_path):
    monkeypatch.setattr(real_slides, "REAL", (tmp_path,))
    for name, remedy in [
        ("test3-DAPI.ndpi", r"python data_samples/fetch_slide\.py --small"),
        ("private.svs", "no public address"),
    ]:
        with pytest.raises(pytest.skip.Exception, match=remedy):
            shared_slides / name
        (tmp_path / name).touch()
        assert shared_slides / name == tmp_path / name
