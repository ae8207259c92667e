"""A simulated fleet that real clients talk to over the real protocols."""
