"""A strict simulated Exchange: refuses what Exchange refuses, surprises where Exchange surprises.

``world`` has :class:`~tlsrunbook.lab.exchange.world.Organization` and
:class:`~tlsrunbook.lab.exchange.world.LabServer`; ``inbound`` is what an SMTP listener needs of a server; ``table``
says which cmdlets and parameters a version has. What the lab cannot do it refuses, and says ``not simulated by the
lab``. What it knows from general knowledge alone says so in a comment.
"""
