"""Zarr v3 groups: the ``zarr.json`` of a folder that holds arrays or other groups."""

from typing import Any

from slidetile.format.metadata.node import JsonNode


def group(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of a group."""
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def group_attributes(node: JsonNode, *keys: str) -> dict[str, JsonNode]:
    """Return the attributes of a group that has exactly these.

    Raises
    ------
    StoreError
        It is no group, or has other attributes. The message names the key.
    """
    members = node.members(group({}))
    members["zarr_format"].expect(3)
    members["node_type"].expect("group")
    return members["attributes"].members(keys)
