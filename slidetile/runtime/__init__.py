"""Threads, processes, memory, claims and reads; nothing of slides."""
