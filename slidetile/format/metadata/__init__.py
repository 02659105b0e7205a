"""The JSON of a store, typed: read strictly, written as the same bytes again; no file is opened."""
