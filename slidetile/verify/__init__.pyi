from .finding import Finding as Finding
from .verify import verify_store as verify_store
