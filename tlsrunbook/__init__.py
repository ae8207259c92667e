"""A Jupyter-based runbook for public TLS certificates on Exchange's SMTP connectors."""

__version__ = "0.1.0"
