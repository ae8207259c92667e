"""The six steps: one loop, one file each."""
