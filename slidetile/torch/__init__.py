"""Windows of stores as datasets of PyTorch, with where each lies and what it shows.

The extra ``torch`` brings what it needs. Knows stores, and what a DataLoader asks of a dataset.
Does not know how stores are made, nor what is trained.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
