from .plain import PlainPyramid as PlainPyramid
