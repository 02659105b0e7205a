from .annotations import Annotation as Annotation
from .annotations import Annotations as Annotations
from .annotations import PaintedMask as PaintedMask
from .export import export_plan as export_plan
from .reading import read_annotations as read_annotations
from .spec import AnnotationsSpec as AnnotationsSpec
from .tissue import cut_tissue as cut_tissue
from .tissue import draw_tissue as draw_tissue
