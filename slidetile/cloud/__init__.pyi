from .address import Address as Address
from .options import set_storage_options as set_storage_options
from .options import using_storage_options as using_storage_options
