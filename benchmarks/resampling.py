"""How quickly one core averages pixels: `python benchmarks/resampling.py`.

Source megapixels a second of CPU time, for a shard of 1024×1024 output pixels of noise.
"""

import time
from fractions import Fraction

import numpy as np

import slidetile as st
from slidetile.raster.averaging import Resampling
from slidetile.runtime.heap import tune_heap

FACTORS = (Fraction(700, 499), Fraction(2), Fraction(1000, 303), Fraction(4), Fraction(79, 10))
ROUNDS = 7


def seconds(factor):
    side = int(1024 * factor) + 1
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    resampling = Resampling(source_size=(side, side), factor=(factor, factor))
    region = st.Region(x=0, y=0, width=1024, height=1024)
    at, out = resampling.source_region(region), np.zeros((1024, 1024, 3), np.uint8)
    block = pixels[at.slices]
    times = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        resampling.average(block, at, region, out)
        times.append(time.process_time() - begin)
    return min(times)


if __name__ == "__main__":
    tune_heap()
    for factor in FACTORS:
        best = seconds(factor)
        print(f"{float(factor):6.3f}: {float(factor) ** 2 * 2**20 / best / 1e6:4.0f} MP/s")
