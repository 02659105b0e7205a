"""The command line: it parses, calls and renders.

Knows options, exit codes and what people read. It alone prints, ends the process and tunes it. Does
not know how anything is done.
"""
