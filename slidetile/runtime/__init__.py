"""Threads, processes, memory and claims; nothing of slides."""
