from .built_page import PageMissingError as PageMissingError
from .tabs import EndedPageError as EndedPageError
