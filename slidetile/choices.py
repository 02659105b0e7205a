"""What can be chosen, and what is taken unless something is: one place for API and command line.

Knows words and numbers. Does not know what becomes of them. It imports nothing, so that the
command line can show its options before numpy is loaded.
"""

from typing import Literal

TISSUE_MPP = 8.0
"""At how many micrometres per pixel tissue is looked for; coarser on large slides."""

MIN_PIECE_AREA_UM2 = 50_000.0
"""Smaller pieces of tissue are dropped."""

MIN_HOLE_AREA_UM2 = 250_000.0
"""Smaller holes in tissue are filled."""

TISSUE_MARGIN_UM = 0.0
"""How far tissue is widened on all sides."""

TILE_SIZE_PX = 1024
"""Width and height of a tile, in level-0 pixels."""

MIN_TISSUE_FRACTION = 0.05
"""Tiles with a smaller share of tissue are left out."""

Edge = Literal["keep", "drop", "shift"]
"""What becomes of squares that reach over the right or bottom edge.

"keep": they stay as they are, and what lies outside is background. "drop": they are left out.
"shift": the last column and row are moved inward until they lie wholly inside, so they overlap
their neighbours; where the canvas itself is smaller than a square, it reaches over all the same.
"""

EDGE: Edge = "keep"

SEED = 0
"""Which random sample of the tiles is drawn."""

CodecName = Literal["auto", "native", "zstd", "jpeg", "raw"]
"""How pixels are stored; see `write_tiles`."""

CODEC: CodecName = "auto"

JPEG_QUALITY = 90
"""As libjpeg counts it, 1–100."""

AnnotationsMode = Literal["replace", "intersect", "exclude"]
"""Whether annotations are the tissue, or tissue counts only inside or outside them."""

ANNOTATIONS_MODE: AnnotationsMode = "replace"

AnnotationUnit = Literal["auto", "px", "um"]
"""Of an annotation file's coordinates; see `read_annotations`."""

ANNOTATION_UNIT: AnnotationUnit = "auto"

AnnotationOrigin = Literal["auto", "scan-area", "slide"]
"""Where an annotation file's coordinates begin; see `read_annotations`."""

ANNOTATION_ORIGIN: AnnotationOrigin = "auto"
