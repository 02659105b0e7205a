"""What the tiles' pixels are like: their colour, how sharp they are, how much of them is ink.

Knows a plan and its stored chunks. Drops no tile: that is for whoever reads the table.
"""

from collections.abc import Iterable

from slidetile.chunk_codec import ChunkCodec
from slidetile.ink import pen_fractions
from slidetile.layout import Shard
from slidetile.plan import TilePlan
from slidetile.quality_level import Quality, QualityLevel
from slidetile.tile_measure import ReadShard, TileMeasure


def measure_quality(
    plan: TilePlan,
    level: QualityLevel,
    codec: ChunkCodec,
    *,
    shards: Iterable[Shard],
    read: ReadShard,
    workers: int,
) -> Quality:
    """Measure a plan's tiles on what is stored, so that an interrupted run measures the same.

    Parameters
    ----------
    plan
        The tiles, and the overview on which ink is looked for.
    level
        What else is measured on.
    codec
        How its chunks are stored.
    shards
        Those that the level has.
    read
        Reads one of them.
    workers
        Threads that decode. The values do not depend on it.

    Returns
    -------
    dict of str to float32 array
        One value a tile, by column: all of `QUALITY_COLUMNS`.
    """
    overview, regions = plan.tissue.overview, plan.regions
    measure = TileMeasure(regions, level, codec, overview.image.shape[2])
    measure.add(shards, read, workers=workers)
    pen = pen_fractions(overview.image, regions, scale=overview.scale, mpp=overview.mpp)
    return {**measure.columns(), "pen_fraction": pen}
