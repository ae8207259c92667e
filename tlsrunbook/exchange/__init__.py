"""Parts of the Exchange core that hold no I/O."""
