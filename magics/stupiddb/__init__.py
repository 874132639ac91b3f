"""The IPython extension: `%load_ext stupiddb`."""
