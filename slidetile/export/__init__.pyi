from .exported import Exported as Exported
from .exporting import export_store as export_store
from .geojson import GeojsonExport as GeojsonExport
from .whole import ZarrExport as ZarrExport
