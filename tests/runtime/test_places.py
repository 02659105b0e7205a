"""A semaphore whose size may change."""

from slidetile.runtime.places import Places


def test_places_are_never_lost():
    places = Places(2)
    assert places.acquire()
    assert places.acquire()
    places.resize(3)
    assert places.acquire()
    for _ in range(3):
        places.release()
    assert places.size == 3
