"""Region files that are wrong in their structure: read, or refused by an error that names them."""

import logging

import numpy as np
import pytest
from fuzz.regions import HEIGHT, WIDTH, mutants

import slidetile as st

# What was found before: a type that is an object, and one of each kind.
SEEDS = [1589, *range(120)]


@pytest.fixture(scope="module")
def slide():
    return st.ArraySlide(np.full((HEIGHT, WIDTH, 3), 255, np.uint8), mpp=0.25, name="s.svs")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", SEEDS)
def test_a_mutant_is_read_or_refused_by_its_name(tmp_path, slide, seed):
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    name, content = mutants(seed)
    path = tmp_path / name
    path.write_bytes(content)
    try:
        st.draw_tissue(slide, st.read_annotations(path, slide))
    except st.SlidetileError as error:
        assert name in str(error)  # noqa: PT017  whether it raises is not asked


def test_a_seed_gives_the_same_file_again():
    assert [mutants(seed) for seed in range(200)] == [mutants(seed) for seed in range(200)]
