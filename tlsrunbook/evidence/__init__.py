"""Transcript, record and how a record is shown: pure."""
