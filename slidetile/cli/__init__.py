"""The command line: it parses, calls and renders.

Knows options, exit codes and what people read; only here is anything printed, the process ended
or tuned. Does not know how anything is done.
"""
