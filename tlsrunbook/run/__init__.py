"""What a notebook holds, and how notebooks are run over servers."""
