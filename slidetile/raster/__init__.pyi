from .channels import Channel as Channel
from .class_areas import ClassAreas as ClassAreas
from .region import Region as Region
