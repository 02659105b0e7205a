from .cards import Card as Card
from .cards import read_cards as read_cards
from .folder import FolderCards as FolderCards
