"""A gauge of memory that says what it is told."""

MB = 1_000_000


class Memory:
    """A gauge held in memory: says what it is told."""

    def __init__(self, resident, available):
        self.resident, self.available = resident, available
        self.peak = resident

    def resident_bytes(self):
        self.peak = max(self.peak, self.resident)
        return self.resident

    def available_bytes(self):
        return self.available

    def peak_bytes(self):
        return self.peak
