"""All objects of a slide are held in memory within one bound, however many they are."""

import os

import pytest

from slidetile.cloud import held
from slidetile.cloud.objects import write_object
from slidetile.cloud.ranged import ranged, sharing_objects
from slidetile.slides.opening import open_slide

SIZE, PIECE, APART = 2 << 20, 100 << 10, 400 << 10
PIECES = [(at, PIECE) for at in range(0, SIZE - PIECE, APART)]


@pytest.fixture
def many(lab):
    """The content of several objects of a slide, by their addresses."""
    found = {lab.home / f"{number}.dcm": os.urandom(SIZE) for number in range(6)}
    for address, data in found.items():
        write_object(address, [data])
    lab.proxy.clear()
    return found


def held_bytes(objects):
    spans = [span for each in objects for span in each.spans if span.future is not None]
    return sum(span.size for span in spans)


def test_many_objects_share_it(many, monkeypatch):
    monkeypatch.setattr(held, "AHEAD_BYTES", 6 * PIECE)
    monkeypatch.setattr(held, "KEPT_BYTES", 4 * PIECE)
    with sharing_objects():
        objects = {ranged(address, head_bytes=1): data for address, data in many.items()}
    for each in objects:
        each.expect([([at], [count]) for at, count in PIECES])
        assert held_bytes(objects) <= 6 * PIECE + len(objects)
    for at, count in PIECES:  # one piece of each, in turn
        for each, data in objects.items():
            (cut,) = each.cuts([at], [count])
            assert cut.data[at - cut.start :][:count] == data[at : at + count]
            assert held_bytes(objects) <= 10 * PIECE + PIECE
    for each in objects:
        each.leave()
    assert held_bytes(objects) == 0


def test_one_that_is_let_go_makes_room_for_the_others(many, monkeypatch):
    monkeypatch.setattr(held, "AHEAD_BYTES", 2 * PIECE)
    with sharing_objects():
        first, second = (ranged(address, head_bytes=1) for address in list(many)[:2])
    for each in (first, second):
        each.expect([([at], [count]) for at, count in PIECES])
    assert held_bytes([second]) <= 1  # the other's are announced before
    first.leave()
    second.cuts([0], [1])
    assert held_bytes([second]) >= 2 * PIECE


def test_files_of_a_series_that_are_opened_later_share_it(lab, shared_slides):
    address = lab.put(shared_slides / "dicom-CMU-1-Small-Region")
    with open_slide(address) as slide:
        slide.read_region(slide.bounds)
        found = [*slide._files._files.values(), slide._whole]
        assert len(found) > 1
        assert len({id(file._object._held) for file in found}) == 1
