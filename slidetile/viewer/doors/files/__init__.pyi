from .saved import SavedPage as SavedPage
from .saved import save_page as save_page
from .static import StaticPages as StaticPages
from .static import write_static as write_static
