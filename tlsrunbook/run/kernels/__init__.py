"""Kernels for step notebooks, from any of three sources, all of them alike."""
