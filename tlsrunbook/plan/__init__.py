"""Changes, differences, order and undo: pure."""
