from .annotations import *
from .cloud import *
from .cohort import *
from .errors import AnnotationError as AnnotationError
from .errors import CohortError as CohortError
from .errors import ColourProfileError as ColourProfileError
from .errors import DamagedPixelsError as DamagedPixelsError
from .errors import IncompleteStoreError as IncompleteStoreError
from .errors import MissingResolutionError as MissingResolutionError
from .errors import NotNativeError as NotNativeError
from .errors import OutdatedStoreError as OutdatedStoreError
from .errors import SlideError as SlideError
from .errors import SlideReadError as SlideReadError
from .errors import SlidetileError as SlidetileError
from .errors import StoreBusyError as StoreBusyError
from .errors import StoreError as StoreError
from .errors import StoreExistsError as StoreExistsError
from .errors import StoreMismatchError as StoreMismatchError
from .errors import UnsupportedSlideError as UnsupportedSlideError
from .export import *
from .format import *
from .planning import *
from .raster import *
from .recipe import *
from .serving import *
from .slides import *
from .store import *
from .tissue import *
from .verify import *
from .writing import *

__version__: str
