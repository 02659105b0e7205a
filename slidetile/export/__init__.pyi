from .dicom.spec import DicomExport as DicomExport
from .exported import Exported as Exported
from .exporting import export_store as export_store
from .geojson import GeojsonExport as GeojsonExport
from .ome_tiff.spec import OmeTiffExport as OmeTiffExport
from .whole import ZarrExport as ZarrExport
