"""The report of a cohort: one HTML file of what its folder holds, with warnings first.

Knows rows and finished stores. Does not know how a slide becomes a store.
"""
