from .channels import Channel as Channel
from .region import Region as Region
