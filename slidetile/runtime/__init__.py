"""Threads, processes, memory, claims, and files read and written.

Knows the machine a run has to itself or shares. Does not know slides.
"""
