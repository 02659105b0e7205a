"""Threads, processes, memory and claims.

Knows the machine a run has to itself or shares. Does not know slides.
"""
