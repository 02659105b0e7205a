"""What people drew: read from QuPath, ImageScope or a mask, and written for QuPath."""

from slidetile.annotations.annotations import Annotation, Annotations, PaintedMask
from slidetile.annotations.export import export_plan, export_store
from slidetile.annotations.reading import read_annotations
from slidetile.annotations.spec import AnnotationsSpec
from slidetile.annotations.tissue import cut_tissue, draw_tissue

__all__ = [
    "Annotation",
    "Annotations",
    "AnnotationsSpec",
    "PaintedMask",
    "cut_tissue",
    "draw_tissue",
    "export_plan",
    "export_store",
    "read_annotations",
]
