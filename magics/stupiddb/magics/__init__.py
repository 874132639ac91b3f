"""The magics: each parses, calls the session once, and displays; nothing else.

``OWN`` lists those that are not a source's: name, function, documentation.
"""

from __future__ import annotations

from stupiddb.magics import admin, catalog

OWN = (
    ("stupiddb", admin.run, admin.documentation()),
    ("catalog", catalog.run, catalog.documentation()),
)
