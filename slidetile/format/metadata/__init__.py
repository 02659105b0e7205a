"""The JSON of a store as typed values: read strictly, and written again as the same bytes."""
