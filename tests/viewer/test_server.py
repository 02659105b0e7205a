"""The local server: for its own page alone, nothing but what was given, in bounded memory."""

import json
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from tampering import damage_chunk

import slidetile as st
from slidetile.viewer.doors import built_page
from slidetile.viewer.doors.tabs import MOST_PAGES
from slidetile.viewer.views.opened import OpenedView


@pytest.fixture
def native(served, stores):
    """A server of a store."""
    return served(stores / "native.zarr")


def test_the_page_and_its_parts_are_there(native):
    for path, kind in (("", "text/html"), ("page.js", "text/javascript"), ("page.css", "text/css")):
        status, headers, body = native.ask(path)
        assert status == 200
        assert headers["content-type"].startswith(kind)
        assert body
    things = json.loads(native.ask("things")[2])
    assert things == [{"name": "native.zarr", "kind": "store"}]


def test_every_answer_forbids_what_the_page_does_not_need(native):
    for path in ("", "page.js", "things", "things/0/scene", "nothing", "things/0/tiles/0/3/3"):
        headers = native.ask(path)[1]
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/things", "/wrong/", "/wrong/things/0/scene", "//", "/.."])
def test_without_the_token_nothing_is_told(native, path):
    status, _, body = native.ask(path, below=False)
    assert status == 403
    assert b"token" in body
    assert native.server._token.encode() not in body


def test_servers_have_tokens_of_their_own(served, stores):
    first, second = served(stores / "native.zarr"), served(stores / "zstd.zarr")
    assert first.path != second.path
    assert second.ask(f"{first.path}things", below=False)[0] == 403
    assert [json.loads(s.ask("things")[2])[0]["name"] for s in (first, second)] == [
        *("native.zarr", "zstd.zarr"),
    ]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:1234"}, 200),  # as through a tunnel
        ({"Host": "127.0.0.1"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "[::bad"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_only_its_own_page_is_answered(native, headers, status):
    assert native.ask("things", headers=headers)[0] == status


def test_its_own_origin_is_answered(native):
    origin = {"Origin": f"http://127.0.0.1:{native.server.port}"}
    assert native.ask("things", headers=origin)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        *("../things", "../../etc/passwd", "..%2f..%2fetc/passwd", "%2e%2e/page.js", "page.js/.."),
        *("LICENSES.txt", "show.js", "things/1/scene", "things/-1/scene", "things/0/tiles/0/0"),
        *("things/0/tiles/0/../../zarr.json", "things/0/tiles/99/0/0", "things/0/tiles/0/9999/0"),
        *("things/0/rows/99999", "things/0/zarr.json", "/etc/passwd", "things/0/scene/"),
    ],
)
def test_what_was_not_given_is_not_there(native, path):
    assert native.ask(path)[0] in (403, 404)


@pytest.mark.parametrize("path", ["things/{}/scene", "cards/{}", "things/0/tiles/0/{}/0", "{}"])
def test_a_number_of_five_thousand_digits_is_refused(native, path):
    assert native.ask(path.format("9" * 5000))[0] == 414


def test_tiles_rows_and_scenes(native, stores):
    store = st.open_store(stores / "native.zarr")
    tile = store.tiles.slice(10, 1).to_pylist()[0]
    column, row = tile["column"], tile["row"]
    status, headers, body = native.ask(f"things/0/tiles/0/{column}/{row}")
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    assert body == store.read_chunk_bytes(column, row)
    assert native.ask("things/0/tiles/0/0/0")[::2] == (204, b"")
    assert dict(json.loads(native.ask("things/0/rows/10")[2])) == tile
    scene = json.loads(native.ask("things/0/scene")[2])
    assert scene["overlay"]["tiles"]["count"] == len(store)


def test_a_plan_is_made_again(served, sample):
    plan = served(sample)
    scene = json.loads(plan.ask("things/0/scene")[2])
    assert (scene["kind"], scene["overlay"]["tiles"]["size"]) == ("plan", 1024)

    def replan(body):
        status, _, answer = plan.ask("things/0/replan", method="POST", body=body)
        return status, json.loads(answer)

    status, overlay = replan('{"size": 256}')
    assert (status, overlay["tiles"]["size"]) == (200, 256)
    assert overlay["choice"]["options"] == "--tile-size 256"
    nested, huge = "[" * 60_000, f'{{"size": 1{"0" * 400}}}'
    for wrong in (
        "{",
        "[]",
        '{"size": "x"}',
        '{"size": 100}',
        '{"size": NaN}',
        nested,
        huge,
        "1" * 70_000,
    ):
        status, told = replan(wrong)
        assert status == 400
        assert told["error"]
    assert plan.ask("things/0/replan")[0] == 405


def test_a_store_is_no_plan(native):
    status, _, body = native.ask("things/0/replan", method="POST", body='{"size": 256}')
    assert status == 400
    assert "only a plan" in json.loads(body)["error"]


def test_damage_is_told_in_words(served, store_copy):
    row = st.open_store(store_copy).tiles.slice(40, 1).to_pylist()[0]
    damage_chunk(store_copy, row["column"], row["row"])
    status, _, body = served(store_copy).ask(f"things/0/tiles/0/{row['column']}/{row['row']}")
    assert status == 422
    assert "is damaged" in json.loads(body)["error"]


def test_a_store_that_changes_is_told_and_opened_anew(served, store_copy, stores):
    server = served(store_copy)
    assert server.ask("things/0/tiles/0/3/3")[0] == 200
    shutil.rmtree(store_copy)
    status, _, body = server.ask("things/0/tiles/0/3/3")
    assert status == 410
    assert "deleted or moved" in json.loads(body)["error"]
    assert server.ask("things/0/scene")[0] == 410
    shutil.copytree(stores / "zstd.zarr", store_copy)
    scene = json.loads(server.ask("things/0/scene")[2])
    assert dict(scene["facts"])["codec"] == "zstd"
    assert server.ask("things/0/tiles/0/3/3")[0] == 200


def test_what_cannot_be_opened_is_told(served, tmp_path):
    broken = tmp_path / "broken.svs"
    broken.write_bytes(b"no slide")
    status, _, body = served(broken).ask("things/0/scene")
    assert status == 422
    assert "broken.svs" in json.loads(body)["error"]


def test_a_port_in_use_is_told(served, stores):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            OSError, match=f"The port {port} of 127.0.0.1 cannot be used .*--port 0"
        ):
            served(stores / "native.zarr", port=port)


def test_it_is_reached_from_this_machine_alone(native):
    own = [c.laddr for c in psutil.Process().net_connections("inet") if c.status == "LISTEN"]
    (address,) = {each.ip for each in own if each.port == native.server.port}
    assert address == "127.0.0.1"


def test_a_page_that_was_not_built_is_told(monkeypatch, stores):
    pytest.importorskip("uvicorn", reason="the extra view is not installed")
    from slidetile.viewer.doors.server.server import ViewerServer

    monkeypatch.setattr(built_page, "MEDIA_TYPES", {"missing.js": "text/javascript"})
    with pytest.raises(FileNotFoundError, match="run `make viewer` in it, for which npm"):
        ViewerServer([OpenedView(stores / "native.zarr")])


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_memory_does_not_grow_over_ten_thousand_tiles(served, stores, codec):
    server = served(stores / f"{codec}.zarr")
    scene = json.loads(server.ask("things/0/scene")[2])
    paths = [
        f"things/0/tiles/{number}/{column}/{row}"
        for number, level in enumerate(scene["levels"])
        for column in range(-(-level["width"] // level["tile"][0]))
        for row in range(-(-level["height"] // level["tile"][1]))
    ]

    def ask(count):
        wanted = [paths[i % len(paths)] for i in range(count)]
        with ThreadPoolExecutor(4) as pool:
            statuses = set(pool.map(lambda path: server.ask(path)[0], wanted))
        assert statuses <= {200, 204}
        return psutil.Process().memory_info().rss

    before = ask(1000)
    assert ask(10_000) - before < 24 << 20


def test_slides_and_stores_in_a_bucket_are_seen(served, stores, sample, lab):
    pytest.importorskip("obstore", reason="the extra cloud is not installed")
    store, slide = lab.put(stores / "native.zarr"), lab.put(sample)
    server = served(OpenedView(store), OpenedView(slide))
    names = [thing["name"] for thing in json.loads(server.ask("things")[2])]
    assert names == ["native.zarr", "sample.svs"]
    scene = json.loads(server.ask("things/0/scene")[2])
    assert scene["overlay"]["tiles"]["count"] == 99
    assert server.ask("things/0/tiles/0/6/4")[2] == (
        st.open_store(stores / "native.zarr").read_chunk_bytes(6, 4)
    )
    assert json.loads(server.ask("things/1/scene")[2])["kind"] == "plan"
    assert server.ask("things/1/tiles/0/3/3")[0] == 200


def test_each_page_has_a_plan_of_its_own(served, sample):
    """What one page moves is not seen by another, nor by one that is opened later."""
    server = served(sample)

    def count(path, **given):
        answer = json.loads(server.ask(f"things/0/{path}", **given)[2])
        return answer.get("overlay", answer)["tiles"]["count"]

    before = {tab: count(f"scene?tab={tab}") for tab in "ab"}
    settings = json.dumps({"size": 256})
    more = count("replan?tab=a", method="POST", body=settings)
    assert more > before["a"] == before["b"]
    last = f"things/0/rows/{more - 1}"
    assert server.ask(f"{last}?tab=a")[0] == 200
    assert server.ask(f"{last}?tab=b")[0] == 404
    assert count("scene?tab=c") == before["b"]
    again = json.dumps({"size": 512, "min_tissue_fraction": 0.9})
    assert count("replan?tab=b", method="POST", body=again) < before["b"]
    assert server.ask(f"{last}?tab=a")[0] == 200


def test_so_many_pages_are_open_and_one_that_was_ended_says_so(served, sample):
    server = served(sample)
    for number in range(MOST_PAGES + 1):
        assert server.ask(f"things/0/scene?tab={number}")[0] == 200
    status, _, body = server.ask("things/0/rows/0?tab=0")
    assert status == 410
    assert "open it again" in json.loads(body)["error"]
    assert server.ask("things/0/rows/0?tab=1")[0] == 200
    assert server.ask("things/0/scene?tab=0")[0] == 200
    assert server.ask("things/0/rows/0?tab=2")[0] == 410  # 1 was used after it
    assert server.ask(f"things/0/scene?tab={'x' * 65}")[0] == 400


def test_a_page_of_a_store_that_was_replaced_is_gone_though_another_shows_the_new_one(
    served, store_copy, stores
):
    server = served(store_copy)
    tile = "things/0/tiles/0/3/3"
    server.ask("things/0/scene?tab=old")
    shutil.rmtree(store_copy)
    shutil.copytree(stores / "zstd.zarr", store_copy)
    scene = json.loads(server.ask("things/0/scene?tab=new")[2])
    assert dict(scene["facts"])["codec"] == "zstd"
    assert server.ask(f"{tile}?tab=new")[0] == 200
    assert server.ask(f"{tile}?tab=old")[0] == 410
