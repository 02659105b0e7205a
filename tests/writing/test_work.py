"""What a unit of work takes in memory, whatever there is of it."""

from dataclasses import replace

import numpy as np
import pytest
from gauges import MB
from known_tissue import sample_tissue
from paths import SAMPLE

import slidetile as st
from slidetile.choices import UnfitChoiceError
from slidetile.format.codecs.jpeg import JpegCodec
from slidetile.format.codecs.jxl import JxlCodec
from slidetile.format.codecs.native import NativeCodec
from slidetile.format.codecs.planar import RawCodec, ZstdCodec
from slidetile.format.layout import MOST_CHUNKS
from slidetile.runtime.memory import OVERHEAD
from slidetile.slides.level import Level
from slidetile.writing.choosing import make_work


def test_a_run_with_hardly_any_memory_writes_the_same_bytes(tmp_path, tree):
    stores, uses = [], []
    for name, options in (("a", None), ("b", st.WriteOptions(memory_bytes=1))):
        with st.open_slide(SAMPLE) as slide:
            plan = st.plan_tiles(slide, sample_tissue(slide), st.TileSpec(size=512))
            path = tmp_path / f"{name}.zarr"
            seen = []
            st.write_tiles(
                slide, plan, path, codec="zstd", options=options, on_progress=seen.append
            )
        stores.append(tree(path))
        uses.append(seen[-1].memory)
    assert stores[0] == stores[1]
    assert uses[1].budget_bytes < uses[0].budget_bytes
    assert all(use.peak_bytes > 10 * MB for use in uses)


def first_task(slide, codec):
    """The work of a slide and its first task, done once before: what is loaded does not count."""
    plan = st.plan_tiles(slide, sample_tissue(slide), st.TileSpec(size=1024))
    before, work = make_work(slide, plan, codec), make_work(slide, plan, codec)
    first = work.tasks(lambda _level, _shard: False)[0]
    list(before.encode(before.read(first)))
    return work, first


CODECS = [ZstdCodec(), RawCodec(), JxlCodec(), JpegCodec()]


@pytest.mark.parametrize("codec", CODECS, ids=lambda c: c.name)
def test_a_unit_of_work_takes_at_most_three_times_its_pixels(codec):
    """The factor of the budget, measured: what numpy and Python hold for one shard at the most."""
    import tracemalloc

    with st.open_slide(SAMPLE) as slide:
        work, first = first_task(slide, codec)
        tracemalloc.start()
        try:
            encoded = list(work.encode(work.read(first)))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert encoded
    pixels = 1024 * 1024 * 3
    coarser = pixels * 3 // 4  # the shard above grows with four units: a quarter is this one's
    assert pixels // 2 < peak <= OVERHEAD * pixels + coarser


def test_the_hot_path_stays_at_8_bits_and_copies_little():
    """Halving has 16-bit lanes, a slab of rows at a time; all else is bytes."""
    import tracemalloc

    slide = st.ArraySlide(np.zeros((4096, 4096, 3), np.uint8))
    plan = st.plan_tiles(
        slide, st.find_tissue(slide), st.TileSpec(size=1024, min_tissue_fraction=0)
    )
    work = make_work(slide, plan, RawCodec())
    tasks = work.tasks(lambda _level, _shard: False)
    fetched = work.read(tasks[0])
    assert fetched.pixels.pixels().dtype == np.uint8
    tracemalloc.start()
    try:
        (shard,) = work.encode(fetched)
        arrays = [t.size for t in tracemalloc.take_snapshot().traces]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    pixels = 1024 * 1024 * 3
    assert len(shard.payloads[0]) == pixels
    assert max(arrays) <= pixels + 1000, "nothing wider than 8 bits, for a whole shard, is kept"
    # the planes, the payload, and the coarser shard that grows: nothing else of that size
    assert peak < 3.4 * pixels


@pytest.mark.parametrize("codec", [NativeCodec(), ZstdCodec()], ids=lambda c: c.name)
def test_a_real_slides_pixels_stay_bytes_and_are_copied_once_at_most(codec):
    """What numpy holds for a task: no pixels at all for `native`, a shard of bytes for `zstd`."""
    import tracemalloc

    domain = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
    with st.open_slide(SAMPLE) as slide:
        work, first = first_task(slide, codec)
        tracemalloc.start()
        try:
            shards = []
            for shard in work.encode(work.read(first)):
                arrays = tracemalloc.take_snapshot().filter_traces([domain]).traces
                shards.append((shard, [trace.size for trace in arrays]))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    stored = sum(len(payload) for shard, _ in shards for payload in shard.payloads.values())
    largest = max((size for _, sizes in shards for size in sizes), default=0)
    if codec.name == "native":
        assert largest < 100_000, "nothing is decoded"
        assert peak < 2.5 * stored, "as read, and as a stream of its own: no third copy"
    else:
        assert 0 < largest <= 1024 * 1024 * 3, "no array of a shard is wider than 8 bits"


class VastSlide(st.ArraySlide):
    """A slide that claims more pixels than a store can have."""

    @property
    def levels(self):
        return (Level(width=(1 << 21) + 1, height=1 << 21),)


@pytest.mark.parametrize("codec", [ZstdCodec(), RawCodec(), JpegCodec()])
def test_a_slide_of_more_chunks_than_a_store_can_have_is_refused(codec):
    slide = VastSlide(np.zeros((16, 16, 3), np.uint8), name="vast")
    with st.open_slide(SAMPLE) as small:
        plan = st.plan_tiles(small, sample_tissue(small), st.TileSpec(size=512))
    overview = replace(plan.tissue.overview, slide_width=slide.width, slide_height=slide.height)
    plan = replace(plan, tissue=replace(plan.tissue, overview=overview))
    if codec.name != "raw":  # whose chunks have 1024 pixels a side
        with pytest.raises(UnfitChoiceError, match=r"vast has 2097153×2097152 .*16781312 chunks"):
            make_work(slide, plan, codec)
    else:
        assert make_work(slide, plan, codec).levels[0].grid.chunk_count < MOST_CHUNKS
