"""Questions that come as messages: answered, taken back, bounded, and never more than that."""

import asyncio
import json
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from queue import Queue

import pytest

import slidetile as st
from slidetile.viewer.doors.notebook.desk import MOST_WAITING, WORKERS, Desk
from slidetile.viewer.views.slide import live_plan_view
from slidetile.viewer.views.store import StoreView

PATIENCE_S = 60


@pytest.fixture
def store(stores):
    return st.open_store(stores / "native.zarr")


@pytest.fixture
def answers():
    return Queue()


@pytest.fixture
def desk(store, answers):
    desk = Desk(StoreView(store), lambda answer, data: answers.put((answer, data)))
    yield desk
    desk.close()


def ask(desk, answers, what, *given):
    desk.take({"id": "1", "ask": what, "given": [*given]})
    return answers.get(timeout=PATIENCE_S)


def test_each_question_has_its_answer(desk, answers, store):
    answer, data = ask(desk, answers, "scene")
    assert answer == {"id": "1", "state": "ok"}
    assert json.loads(zlib.decompress(data[0]))["size"] == [3840, 2560]
    row = store.tiles.slice(40, 1).to_pylist()[0]
    answer, data = ask(desk, answers, "tile", 0, row["column"], row["row"])
    assert answer["type"] == "image/jpeg"
    assert data == [store.read_chunk_bytes(row["column"], row["row"])]
    answer, data = ask(desk, answers, "tile", 0, 0, 0)
    assert (answer["type"], data) == (None, [])
    answer, _ = ask(desk, answers, "row", 40)
    assert answer["value"][0] == ["tile_id", 40]


@pytest.mark.parametrize(
    ("what", "given", "words"),
    [
        ("row", [1 << 40], "there is no tile"),
        ("tile", [0, -1, 0], "there is none"),
        ("tile", ["x", 0, 0], "invalid literal"),
        ("tile", [], "missing"),
        ("tile", [float("inf"), 0, 0], "infinity"),
        ("replan", [{}], "only a plan"),
        ("replan", [[1]], ""),
        ("delete", [], "delete"),
    ],
)
def test_a_question_that_makes_no_sense_fails_in_words(desk, answers, what, given, words):
    answer, data = ask(desk, answers, what, *given)
    assert (answer["state"], data) == ("failed", [])
    assert words in answer["words"]


@pytest.mark.parametrize(
    "message", [None, 3, "x", [], {}, {"id": 1}, {"drop": "x"}, {"drop": [[]]}]
)
def test_messages_that_are_none_are_ignored(desk, answers, message):
    desk.take(message)
    assert ask(desk, answers, "row", 0)[0]["state"] == "ok"


def test_a_ping_is_answered(desk, answers):
    desk.take({"ping": "a"})
    assert answers.get(timeout=PATIENCE_S) == ({"pong": "a"}, [])


class _Slow(StoreView):
    """A store whose tiles wait until they may come."""

    def __init__(self, store):
        super().__init__(store)
        self.may_come = threading.Event()
        self.begun = threading.Semaphore(0)
        self.asked = []

    def tile(self, level, column, row):
        self.begun.release()
        assert self.may_come.wait(PATIENCE_S)
        self.asked.append((column, row))
        return super().tile(level, column, row)


def test_what_was_scrolled_away_is_never_made_and_what_waits_is_bounded(store, answers):
    view = _Slow(store)
    desk = Desk(view, lambda answer, data: answers.put((answer, data)))
    for number in range(WORKERS):
        desk.take({"id": f"first {number}", "ask": "tile", "given": [0, 0, number]})
        assert view.begun.acquire(timeout=PATIENCE_S)
    desk.take({"id": "scrolled", "ask": "tile", "given": [0, 9, 9]})
    desk.take({"drop": ["scrolled", "never asked"]})
    assert answers.get(timeout=PATIENCE_S)[0] == {"id": "scrolled", "state": "dropped"}
    for number in range(10 * MOST_WAITING):
        desk.take({"id": f"{number}", "ask": "tile", "given": [0, number % 15, 1]})
        assert desk.waiting <= MOST_WAITING
    view.may_come.set()
    found = [answers.get(timeout=PATIENCE_S)[0] for _ in range(10 * MOST_WAITING + WORKERS)]
    made = [answer["id"] for answer in found if answer["state"] == "ok"]
    assert len(made) <= MOST_WAITING
    assert f"{10 * MOST_WAITING - 1}" in made
    assert (9, 9) not in view.asked
    desk.close()


def test_after_the_end_nothing_is_answered(store, answers):
    desk = Desk(StoreView(store), lambda answer, data: answers.put((answer, data)))
    desk.close()
    desk.take({"id": "1", "ask": "row", "given": [0]})
    assert answers.empty()


def test_pages_of_one_widget_have_plans_of_their_own(sample, answers):
    with st.open_slide(sample) as slide:
        desk = Desk(live_plan_view(slide), lambda answer, data: answers.put((answer, data)))

        def count(what, tab, *given):
            desk.take({"id": "1", "ask": what, "given": [*given], "tab": tab})
            _, data = answers.get(timeout=PATIENCE_S)
            told = json.loads(zlib.decompress(data[0]))
            return told.get("overlay", told)["tiles"]["count"]

        before = count("scene", "a")
        assert count("replan", "a", {"size": 256}) > before
        assert count("scene", "b") == before
        desk.close()


def test_a_ping_is_answered_before_the_kernel_goes_on(stores):
    """A page takes a kernel that has done with its question, and said nothing, for another one."""
    pytest.importorskip("anywidget", reason="the extra notebook is not installed")
    from slidetile.viewer.doors.notebook.widget import ViewWidget

    class Heard(ViewWidget):
        def send(self, content, buffers=None):
            del buffers
            self.heard = content

    widget = Heard(
        StoreView(st.open_store(stores / "native.zarr")), name="x", picture=b"", height=400
    )

    async def take():
        widget._take(widget, {"ping": "a"}, [])
        return widget.heard

    with ThreadPoolExecutor(1) as kernel:  # a browser's tests may have a loop in this thread
        assert kernel.submit(asyncio.run, take()).result() == {"pong": "a"}
    widget.close()
