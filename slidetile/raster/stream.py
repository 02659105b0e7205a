"""What all compressed images share: an error by which damaged ones are counted."""

import re


class StreamError(ValueError):
    """A stream does not decode, or not to the expected pixels.

    `reason` is the same for all streams that are damaged in the same way: it is counted.
    """

    @property
    def reason(self) -> str:
        """What is wrong, in a few words and without numbers that differ from stream to stream."""
        return f"does not decode: {re.split(r'[:(0-9]', str(self))[0].strip()}"
