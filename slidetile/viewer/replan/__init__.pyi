from .replanning import Replanning as Replanning
from .settings import Setting as Setting
