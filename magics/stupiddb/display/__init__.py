"""What a cell shows: figures, tables, answers, progress and failures, as HTML and as plain text."""
