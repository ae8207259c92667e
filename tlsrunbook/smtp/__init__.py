"""The EHLO/STARTTLS dialogue without I/O, and the facts a probe saw."""
