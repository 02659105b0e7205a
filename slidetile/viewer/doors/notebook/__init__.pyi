from .widget import ViewWidget as ViewWidget
