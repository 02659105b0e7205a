"""Serve neuroglancer in a state that comes as JSON, until the input ends; run where it is.

python neuroglancer_server.py STATE prints its version and its address.
"""

import importlib.metadata
import json
import sys

import neuroglancer

neuroglancer.set_server_bind_address("127.0.0.1")
viewer = neuroglancer.Viewer()
viewer.set_state(json.loads(sys.argv[1]))
told = {"version": importlib.metadata.version("neuroglancer"), "address": str(viewer)}
print(json.dumps(told), flush=True)  # noqa: T201
sys.stdin.read()
