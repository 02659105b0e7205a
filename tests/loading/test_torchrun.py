"""TileStream under torchrun: the ranks that it starts are given all windows once, by workers."""

import json
import os
import subprocess
import sys

import pytest

from slidetile.torch import TileDataset, TileStream

RANK = """
import json, sys, warnings
from itertools import islice
import torch.distributed as dist
from torch.utils.data import DataLoader
from slidetile.torch import TileDataset, TileStream
warnings.filterwarnings("ignore", "This DataLoader will create")
dist.init_process_group("gloo")
OPTIONS = {"batch_size": 16, "num_workers": 2}
tiles = TileDataset(sys.argv[1], size=100)
stream = TileStream(tiles, buffer=40)
loader = DataLoader(stream, **OPTIONS)
whole = [batch["index"].tolist() for batch in loader]
begun = [batch["index"].tolist() for batch in islice(loader, 4)]
again = TileStream(tiles, buffer=40)
again.load_state_dict(stream.state_after(4, **OPTIONS))
rest = [batch["index"].tolist() for batch in DataLoader(again, **OPTIONS)]
own = {"rank": dist.get_rank(), "count": stream.count, "whole": whole, "resumed": begun + rest}
ranks = [None] * dist.get_world_size()
dist.all_gather_object(ranks, own)
if dist.get_rank() == 0:
    print(json.dumps(ranks))
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_ranks_are_given_all_windows_once(native, tmp_path):
    script = tmp_path / "rank.py"
    script.write_text(RANK)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    told = subprocess.run(
        [*launch, script, native.path],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert told.returncode == 0, told.stderr
    ranks = json.loads(told.stdout)
    tiles = TileDataset(native, size=100)
    assert [rank["rank"] for rank in ranks] == [0, 1]
    assert sorted(i for rank in ranks for batch in rank["whole"] for i in batch) == list(
        range(len(tiles))
    )
    for number, rank in enumerate(ranks):
        assert rank["resumed"] == rank["whole"]
        assert rank["count"] == TileStream(tiles, rank=number, world_size=2).count
        assert rank["count"] == sum(map(len, rank["whole"]))
