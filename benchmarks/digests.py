"""Compare the bytes of stores with those taken down before, for all codecs.

    python benchmarks/digests.py            # exit 1 where a store's bytes changed
    python benchmarks/digests.py --write    # take them down anew, after a change that is meant

The stores are made from the sample slide and, where ``../shared/slides`` is, from two real slides
and a dark one. Encoders may write other bytes in their next version, so the digests name the
libraries they were taken with, and other versions are listed before any difference.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import slidetile as st

ROOT = Path(__file__).resolve().parents[1]

DIGESTS = Path(__file__).with_suffix(".json")

REAL_SLIDES = ROOT.parent / "shared" / "slides"

LIBRARIES = ("imagecodecs", "numpy", "numcodecs", "openslide-bin", "pyarrow", "scipy")

KINDS = {".parquet": "table", ".json": "metadata", ".txt": "metadata"}
"""What a store's files are, by suffix; all others are shards."""

SAMPLES = ROOT / "data_samples"

CODECS = ("native", "zstd", "jxl", "jpeg", "raw")

OTHERS = {
    "another resolution": {"mpp": 0.7},
    "half": {"mpp": 1.0, "codec": "zstd"},
    "small tiles": {"tile": st.TileSpec(size=224, edge="shift", sample=20)},
    "drawn": {"annotations": st.AnnotationsSpec(path=SAMPLES / "sample.geojson")},
    "cut": {"annotations": st.AnnotationsSpec(path=SAMPLES / "sample.mask.png", mode="exclude")},
    "otsu": {"detector": st.OtsuDetector(), "tissue_mpp": 4.0},
}


def recipes() -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """Yield (name, slide, choices) of each store."""
    sample = SAMPLES / "sample.svs"
    for codec in CODECS:
        yield f"sample {codec}", sample, {"codec": codec}
    for name, choices in OTHERS.items():
        yield f"sample {name}", sample, choices
    if not REAL_SLIDES.is_dir():
        return
    for slide in ("CMU-1-Small-Region.svs", "CMU-1-small.tiff"):
        for codec in CODECS:
            yield f"{slide} {codec}", REAL_SLIDES / slide, {"codec": codec}
    by_openslide = {"codec": "zstd", "reader": "openslide"}
    yield "test3-DAPI.ndpi zstd", REAL_SLIDES / "test3-DAPI.ndpi", by_openslide


def digests() -> dict[str, dict[str, str]]:
    """Make the stores, and return for each the digest of its pixels, table and metadata."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, slide, choices) in enumerate(recipes()):
            store = st.tile_slide(slide, Path(folder) / f"{number}.zarr", st.Recipe(**choices))
            found[name] = _digest(store.path)
    return found


def _digest(store: Path) -> dict[str, str]:
    """Digest a store's files by kind: a table names its own compression, JSON its own words."""
    sums: dict[str, Any] = {}
    for path in sorted(path for path in store.rglob("*") if path.is_file()):
        kind = KINDS.get(path.suffix, "pixels")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        line = f"{path.relative_to(store).as_posix()} {digest}\n"
        sums.setdefault(kind, hashlib.sha256()).update(line.encode())
    return {kind: digest.hexdigest() for kind, digest in sums.items()}


def main() -> None:
    """Compare, or take down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="take the digests down anew")
    write = parser.parse_args().write
    versions = {library: version(library) for library in LIBRARIES}
    found = digests()
    if write:
        DIGESTS.write_text(json.dumps({"versions": versions, "stores": found}, indent=1) + "\n")
        return
    known = json.loads(DIGESTS.read_text())
    for library, installed in versions.items():
        if known["versions"][library] != installed:
            print(f"{library}: taken with {known['versions'][library]}, here is {installed}")
    changed = [
        f"{name}: {kind}"
        for name, kinds in found.items()
        for kind, digest in kinds.items()
        if known["stores"].get(name, {}).get(kind) != digest
    ]
    print("\n".join(changed) or f"all {len(found)} stores have the bytes they had")
    sys.exit(bool(changed))


if __name__ == "__main__":
    main()
