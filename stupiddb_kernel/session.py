"""The one object that a notebook, a script or the CLI holds."""
