"""Threads, processes, memory, claims, and files read and written.

Knows the machine, which a run may share with others. Does not know slides.
"""
