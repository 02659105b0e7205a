from .region import Region as Region
