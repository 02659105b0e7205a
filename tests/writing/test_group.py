"""Stores written by several processes: in any order, some killed, the bytes are those of one."""

import os
import random
import signal

import numpy as np
import pytest
from claims import QUICK, hold_elsewhere
from patience import wait_until
from store_parts import begun, started

import slidetile as st
from slidetile.format.names import PARTIAL_HALVED, owner_path, partial_path
from slidetile.runtime.claim import Claim
from slidetile.writing.changed import SourceChangedError
from slidetile.writing.group import GroupClaim, Permit, begin_store, finish_store, write_part

RECIPES = {codec: st.Recipe(codec=codec) for codec in ("native", "zstd", "jpeg", "jxl")}
RECIPES["mpp"] = st.Recipe(codec="jpeg", mpp=0.5)
SMALL = st.TileSpec(size=256)
"""Tiles of the sample."""


def shards(folder):
    return sorted(path for path in folder.glob("[0-9]*/c/**/*") if path.is_file())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("codec", ["native", "zstd", "jpeg", "jxl", "raw", "reference"])
def test_parts_in_any_order_give_the_bytes_of_one_run(sample, tmp_path, tree, codec):
    recipe = st.Recipe(codec=codec, tile=SMALL)
    whole = tree(st.tile_slide(sample, tmp_path / "whole.zarr", recipe).path)
    for seed, count in enumerate((1, 3, 5)):
        path = tmp_path / f"{count}.zarr"
        with GroupClaim(path) as claim:
            job = begun(sample, recipe, claim.permit, count)
            order = list(range(job.group.parts))
            random.Random(seed).shuffle(order)  # noqa: S311  not for secrets
            for number in order:
                progress = job.part(number)
                assert progress.shards_done == progress.shards_total
            seen = []
            job.finish(claim.renew(), on_progress=seen.append)
        assert tree(path) == whole
        kept, total = seen[0].shards_done, seen[0].shards_total
        if codec != "reference":
            assert total > kept > 0 or codec == "native" or count == 1
            assert kept >= total - 4
        assert not partial_path(path).exists()
        assert not owner_path(path).exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", RECIPES)
def test_processes_of_which_some_are_killed_give_the_bytes_of_one_run(
    long_slide, long_trees, tmp_path, tree, kind
):
    path = tmp_path / "x.zarr"
    with GroupClaim(path) as claim:
        job = begun(long_slide, RECIPES[kind], claim.permit, 4)
        file = job.save(tmp_path / "job")
        parts = range(job.group.parts)
        assert len(parts) == 4
        running = {n: started(file, n, *([1] if n % 2 else [])) for n in parts}
        for number, process in running.items():
            with process:
                if number % 2:
                    assert process.stdout.readline() == "stopped\n"
                    process.kill()
            assert process.returncode == (-signal.SIGKILL if number % 2 else 0)
        written = {path: path.stat().st_ino for path in shards(partial_path(path))}
        assert len(written) >= 4
        with started(file, 1) as again:  # one that was killed is tried again, the other never
            pass
        assert again.returncode == 0
        unchanged = [p for p, inode in written.items() if p.stat().st_ino == inode]
        assert len(unchanged) == len(written), "a kill costs only what was not written"
        seen = []
        job.finish(claim.renew(), on_progress=seen.append)
        assert seen[0].shards_done >= len(written)
    assert tree(path) == long_trees[kind]
    assert names(tmp_path) == ["job", "x.zarr"]


@pytest.mark.slow
def test_a_finishing_process_that_is_killed_is_begun_again(long_slide, long_trees, tmp_path, tree):
    path = tmp_path / "x.zarr"
    with GroupClaim(path) as claim:
        job = begun(long_slide, RECIPES["zstd"], claim.permit, 3)
        job.part(1)
        permit = claim.renew()
        finishing = job._replace(group=job.group.permitted(permit)).save(tmp_path / "job")
        with started(finishing, "finish", 3) as process:
            assert process.stdout.readline() == "stopped\n"
            process.kill()
        job.finish(claim.renew())
        # Another time, since the process that finished it may be lost before it says so.
        assert len(job.finish(claim.renew())) > 0
    assert tree(path) == long_trees["zstd"]


@pytest.mark.slow
@pytest.mark.parametrize("existing", ["continue", "overwrite"])
def test_a_finishing_process_that_is_begun_again_with_the_same_token_waits_for_the_first(
    long_slide, long_trees, tmp_path, tree, existing
):
    """As by a cluster that takes a worker for lost."""
    path, options = tmp_path / "x.zarr", st.WriteOptions(existing=existing)
    if existing == "overwrite":
        st.tile_slide(long_slide, path, RECIPES["jpeg"])
    with GroupClaim(path, overwrite=existing == "overwrite") as claim:
        job = begun(long_slide, RECIPES["zstd"], claim.permit, 3, options)
        permit = claim.renew()
        finishing = job._replace(group=job.group.permitted(permit)).save(tmp_path / "job")
        with started(finishing, "finish", 3, existing) as process:
            assert process.stdout.readline() == "stopped\n"
            with pytest.raises(st.StoreBusyError, match="is being written by"):
                job.finish(permit, options=options)
            process.kill()
        job.finish(permit, options=options)
        made = (path / "zarr.json").stat().st_ino
        job.finish(permit, options=options)
        assert (path / "zarr.json").stat().st_ino == made, "the third finds it finished"
    assert tree(path) == long_trees["zstd"]
    assert names(tmp_path) == ["job", "x.zarr"]


@pytest.mark.slow
def test_what_a_killed_group_has_left_goes_with_the_next_run(
    long_slide, long_trees, tmp_path, tree
):
    path = tmp_path / "x.zarr"
    dead = GroupClaim(path)
    job = begun(long_slide, RECIPES["zstd"], dead.permit, 3)
    with started(job.save(tmp_path / "job"), "finish", 3) as process:
        assert process.stdout.readline() == "stopped\n"
        process.kill()
    dead._claim.release()  # as a later run does, which finds its holder dead
    assert names(tmp_path) == ["job", "x.zarr.finishing", "x.zarr.partial"]
    st.tile_slide(long_slide, path, RECIPES["zstd"])
    assert tree(path) == long_trees["zstd"]
    assert names(tmp_path) == ["job", "x.zarr"]


def test_a_store_of_no_tiles_has_no_parts_and_is_finished(tmp_path, tree):
    slide = st.ArraySlide(np.full((900, 900, 3), 255, np.uint8), mpp=0.5, name="glass")
    plan = st.plan_tiles(slide, st.find_tissue(slide), SMALL)
    whole = st.write_tiles(slide, plan, tmp_path / "whole.zarr", codec="zstd")
    with GroupClaim(tmp_path / "x.zarr") as claim:
        group = begin_store(slide, plan, claim.permit, parts=4, codec="zstd")
        assert group.parts == 0
        store = finish_store(slide, plan, group)
    assert len(store) == 0
    assert tree(store.path) == tree(whole.path)


class TestClaims:
    @pytest.fixture
    def recipe(self):
        return st.Recipe(codec="zstd", tile=SMALL)

    def test_a_second_coordinator_and_a_run_of_one_process_are_refused(
        self, sample, tmp_path, recipe
    ):
        path = tmp_path / "x.zarr"
        with GroupClaim(path) as claim:
            begun(sample, recipe, claim.permit, 2)
            with pytest.raises(st.StoreBusyError, match="is being written by"):
                GroupClaim(path)
            with pytest.raises(st.StoreBusyError, match="is being written by"):
                st.tile_slide(sample, path, recipe)
        with GroupClaim(path):
            pass

    def test_a_part_whose_permit_was_taken_back_writes_nothing(self, sample, tmp_path, recipe):
        path = tmp_path / "x.zarr"
        with GroupClaim(path) as claim:
            job = begun(sample, recipe, claim.permit, 2)
            old = job.group.permit
            assert claim.renew() != old
            with pytest.raises(st.StoreBusyError, match="another token"):
                job.part(0)
            with pytest.raises(st.StoreBusyError, match="another token"):
                job.finish(old)
            assert shards(partial_path(path)) == []
            job.finish(claim.permit)
        assert path.is_dir()

    def test_a_part_stops_in_the_middle_when_its_permit_is_taken_back(
        self, sample, tmp_path, recipe
    ):
        path = tmp_path / "x.zarr"
        with GroupClaim(path) as claim:
            job = begun(sample, recipe, claim.permit, 1)
            written = []

            def take_back(progress):
                if progress.shards_done and not written:
                    claim.renew()
                    written.extend(shards(partial_path(path)))

            with pytest.raises(st.StoreBusyError, match="another token"):
                job.part(0, workers=1, on_progress=take_back)
            assert shards(partial_path(path)) == written
            assert not list(partial_path(path).rglob("*.tmp"))

    def test_parts_of_a_coordinator_that_was_taken_over_stop(self, sample, tmp_path, recipe, tree):
        path = tmp_path / "x.zarr"
        whole = tree(st.tile_slide(sample, tmp_path / "whole.zarr", recipe).path)
        dead = GroupClaim(path)
        job = begun(sample, recipe, dead.permit, 3)
        job.part(0)
        kept = shards(partial_path(path))
        dead._claim._ended.set()  # no more signs of life
        hold_elsewhere(owner_path(path), silent_s=3600)
        orphan = job._replace(group=job.group.permitted(Permit(path, token_in(path))))
        orphan.part(1)  # a dead coordinator's parts go on, until another takes over
        with GroupClaim(path, times=QUICK) as claim:
            with pytest.raises(st.StoreBusyError, match="another token"):
                orphan.part(2)
            again = begun(sample, recipe, claim.permit, 5)
            for number in range(5):
                again.part(number)
            again.finish(claim.renew())
        assert kept
        assert tree(path) == whole

    def test_what_a_finished_group_left_running_leaves_nothing_behind(
        self, sample, tmp_path, recipe, tree
    ):
        path = tmp_path / "x.zarr"
        with GroupClaim(path) as claim:
            job = begun(sample, recipe, claim.permit, 2)
            job.finish(claim.renew())
        whole = tree(path)
        with pytest.raises(st.StoreBusyError, match="is gone"):
            job.part(1)
        assert tree(path) == whole
        assert names(tmp_path) == ["x.zarr"]

    def test_a_claim_with_another_token_still_gives_signs_of_life_and_is_released(self, tmp_path):
        path = tmp_path / "x.zarr.owner"
        claim = Claim(path, QUICK)
        first = claim.token
        assert claim.renew() != first
        before = path.stat().st_mtime_ns
        wait_until(lambda: path.stat().st_mtime_ns > before)
        claim.check()
        claim.release()
        assert not path.exists()

    def test_a_claim_that_was_taken_over_gets_no_other_token(self, tmp_path):
        path = tmp_path / "x.zarr.owner"
        claim = Claim(path, QUICK)
        hold_elsewhere(path, silent_s=0)
        theirs = path.read_bytes()
        with pytest.raises(st.StoreBusyError, match="may no longer write"):
            claim.renew()
        claim.release()
        assert path.read_bytes() == theirs


def token_in(path):
    from slidetile.runtime._holder import Holder

    return Holder.from_json(owner_path(path).read_bytes()).token


class TestWhatIsThere:
    def test_a_run_of_one_process_is_continued_by_a_group_and_the_other_way_round(
        self, sample, tmp_path, tree
    ):
        recipe = st.Recipe(codec="raw", tile=SMALL)
        whole = tree(st.tile_slide(sample, tmp_path / "whole.zarr", recipe).path)
        path = tmp_path / "x.zarr"
        with GroupClaim(path) as claim:
            begun(sample, recipe, claim.permit, 4).part(2)
        kept = {p: p.stat().st_ino for p in shards(partial_path(path))}
        assert kept
        with pytest.raises(KeyboardInterrupt):
            st.tile_slide(sample, path, recipe, workers=1, on_progress=stopping_after(len(kept)))
        assert {p: p.stat().st_ino for p in kept} == kept
        with GroupClaim(path) as claim:
            job = begun(sample, recipe, claim.permit, 3)
            seen = []
            job.finish(claim.renew(), on_progress=seen.append)
        assert seen[0].shards_done > len(kept)
        assert tree(path) == whole

    @pytest.mark.parametrize("existing", ["restart", "overwrite"])
    def test_another_store_is_begun_anew(self, sample, tmp_path, tree, existing):
        path, options = tmp_path / "x.zarr", st.WriteOptions(existing=existing)
        recipe = st.Recipe(codec="zstd", tile=SMALL)
        whole = tree(st.tile_slide(sample, tmp_path / "whole.zarr", recipe).path)
        other = st.Recipe(codec="raw", tile=SMALL)
        if existing == "overwrite":
            st.tile_slide(sample, path, other)
        with GroupClaim(path, overwrite=existing == "overwrite") as claim:
            if existing == "restart":
                begun(sample, other, claim.permit, 2).part(0)
                with pytest.raises(st.StoreMismatchError, match="was begun otherwise"):
                    begun(sample, recipe, claim.permit, 2)
            job = begun(sample, recipe, claim.permit, 2, options)
            job.part(1, options=options)
            job.finish(claim.renew(), options=options)
        assert tree(path) == whole
        assert names(tmp_path) == ["whole.zarr", "x.zarr"]

    def test_a_part_of_a_store_that_is_gone_is_refused(self, sample, tmp_path):
        path = tmp_path / "x.zarr"
        with GroupClaim(path) as claim:
            job = begun(sample, st.Recipe(codec="zstd", tile=SMALL), claim.permit, 2)
            claim.discard()
            with pytest.raises(st.StoreMismatchError, match="cannot be read"):
                job._replace(group=job.group.permitted(claim.permit)).part(0)
            assert not partial_path(path).exists()

    def test_a_part_that_is_none_is_refused(self, sample, tmp_path):
        with GroupClaim(tmp_path / "x.zarr") as claim:
            job = begun(sample, st.Recipe(codec="zstd", tile=SMALL), claim.permit, 2)
            with pytest.raises(ValueError, match="no part 2 of 2"):
                job.part(2)
            with pytest.raises(ValueError, match="at least 1 part"):
                begun(sample, st.Recipe(codec="zstd", tile=SMALL), claim.permit, 0)


def stopping_after(shards_done):
    def stop(progress):
        if progress.shards_done > shards_done:
            raise KeyboardInterrupt

    return stop


class TestSlides:
    def test_a_slide_that_changed_since_the_store_was_begun_is_refused(self, sample, tmp_path):
        slide, path = tmp_path / "a.svs", tmp_path / "x.zarr"
        slide.write_bytes(sample.read_bytes())
        with GroupClaim(path) as claim:
            job = begun(slide, st.Recipe(codec="zstd", tile=SMALL), claim.permit, 2)
            job.part(0)
            os.utime(slide, (1, 1))
            with pytest.raises(SourceChangedError, match="changed while its store was made"):
                job.part(1)
            with pytest.raises(SourceChangedError, match="changed while its store was made"):
                job.finish(claim.renew())
            claim.discard()
        assert names(tmp_path) == ["a.svs"]

    def test_a_slide_that_changes_while_a_part_is_written_is_told_from_one_that_is_not_read(
        self, sample, tmp_path
    ):
        slide, path = tmp_path / "a.svs", tmp_path / "x.zarr"
        slide.write_bytes(sample.read_bytes())
        with GroupClaim(path) as claim:
            job = begun(slide, st.Recipe(codec="zstd", tile=SMALL), claim.permit, 1)
            with pytest.raises(SourceChangedError, match="changed while it was read"):
                job.part(0, on_progress=lambda _: os.utime(slide, (1, 1)))
        assert partial_path(path).is_dir()

    @pytest.mark.parametrize("codec", ["native", "zstd", "jpeg", "raw"])
    def test_damage_is_recorded_as_by_one_run(self, damaged_sample, tmp_path, tree, caplog, codec):
        recipe = st.Recipe(codec=codec, tile=SMALL)
        store = st.tile_slide(damaged_sample, tmp_path / "whole.zarr", recipe)
        told = warnings(caplog)
        caplog.clear()
        path = tmp_path / "x.zarr"
        with GroupClaim(path) as claim:
            job = begun(damaged_sample, recipe, claim.permit, 3)
            for number in reversed(range(job.group.parts)):
                job.part(number)
            job.finish(claim.renew())
        assert store.unreadable > 0
        assert tree(path) == tree(store.path)
        assert warnings(caplog) == told

    def test_a_coarser_shard_made_from_a_chunk_that_reads_later_is_made_again(
        self, sample, tmp_path, tree
    ):
        path, recipe = tmp_path / "x.zarr", st.Recipe(codec="zstd", tile=SMALL)
        whole = tree(st.tile_slide(sample, tmp_path / "whole.zarr", recipe).path)
        with GroupClaim(path) as claim:
            job = begun(sample, recipe, claim.permit, 3)
            # The whole pyramid, as a finishing run that died before its end has left it.
            total = sum(name[0].isdigit() and "/c/" in name for name in whole)
            with pytest.raises(KeyboardInterrupt):
                job.finish(claim.renew(), workers=1, on_progress=stopping_after(total - 1))
            left = shards(partial_path(path))
            assert len(left) == total
            levels = {file: int(file.relative_to(partial_path(path)).parts[0]) for file in left}
            coarsest = max(left, key=levels.__getitem__)
            finest = min(left, key=levels.__getitem__)
            finest.unlink()  # none of its chunks could be read
            job = job._replace(group=job.group.permitted(claim.permit))
            for number in range(job.group.parts):
                job.part(number)
            assert not coarsest.exists(), "nothing else tells that it is of older pixels"
            job.finish(claim.renew())
        assert tree(path) == whole


class WatchedSlide(st.ArraySlide):
    """A slide in memory that knows how often it was read."""

    fetched = 0

    def fetch(self, region, *, level=0):
        self.fetched += 1
        return super().fetch(region, level=level)


@pytest.mark.parametrize("codec", ["zstd", "raw", "jpeg"])
@pytest.mark.parametrize("count", [2, 5])
def test_the_finishing_process_reads_no_pixels_of_the_slide(tmp_path, tree, codec, count):
    """Not even of a lossy codec, whose coarser shards are made of the slide's own pixels."""
    pixels = np.random.default_rng(3).integers(60, 90, (200, 260, 3), np.uint8)
    slide = WatchedSlide(pixels.repeat(25, axis=0).repeat(25, axis=1), mpp=0.5)
    mask = np.ones(st.read_overview(slide, mpp=8.0).image.shape[:2], np.bool_)
    tissue = st.TissueMask.from_mask(mask, st.read_overview(slide, mpp=8.0))
    plan = st.plan_tiles(slide, tissue, SMALL)
    whole = tree(st.write_tiles(slide, plan, tmp_path / "whole.zarr", codec=codec).path)
    path = tmp_path / "x.zarr"
    with GroupClaim(path) as claim:
        group = begin_store(slide, plan, claim.permit, parts=count, codec=codec)
        for number in range(group.parts):
            write_part(slide, plan, group, number)
        before = slide.fetched
        finish_store(slide, plan, group.permitted(claim.renew()))
        assert slide.fetched == before
    assert tree(path) == whole


@pytest.mark.parametrize("spoil", ["lost", "cut short", "a bit", "of another shard"])
def test_halved_pixels_that_are_not_whole_are_made_again(sample, tmp_path, tree, spoil):
    path, recipe = tmp_path / "x.zarr", st.Recipe(codec="jpeg", tile=SMALL)
    whole = tree(st.tile_slide(sample, tmp_path / "whole.zarr", recipe).path)
    with GroupClaim(path) as claim:
        job = begun(sample, recipe, claim.permit, 3)
        for number in range(job.group.parts):
            job.part(number)
        files = sorted((partial_path(path) / PARTIAL_HALVED).iterdir())
        assert len(files) >= 3
        data = bytearray(files[0].read_bytes())
        data[100] ^= 1
        others = {"cut short": data[:-1], "of another shard": files[1].read_bytes()}
        if spoil == "lost":
            files[0].unlink()
        else:
            files[0].write_bytes(others.get(spoil, data))
        job.finish(claim.renew())
    assert tree(path) == whole


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
