"""Engines: what carries the jobs of a batch out, on one machine or on several.

Knows processes and schedulers. Does not know what a job does.
"""
