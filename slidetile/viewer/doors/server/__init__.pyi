from .app import viewer_app as viewer_app
from .server import ViewerServer as ViewerServer
