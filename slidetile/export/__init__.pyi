from .clam import ClamExport as ClamExport
from .exported import Exported as Exported
from .exporting import export_store as export_store
from .geojson import GeojsonExport as GeojsonExport
from .hs2p import Hs2pExport as Hs2pExport
from .trident import TridentExport as TridentExport
from .webdataset import WebdatasetExport as WebdatasetExport
from .whole import ZarrExport as ZarrExport
