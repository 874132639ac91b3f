"""A statement with its values bound, and its errors told in terms of the SQL as it was typed."""

from __future__ import annotations

from collections.abc import Mapping

from stupiddb_kernel.errors import StupiddbError, UsageError
from stupiddb_kernel.sources import binding
from stupiddb_kernel.sources.engine.statements import translate
from stupiddb_kernel.sources.literal import is_list, items_of


class Bound:
    """A statement with ``:name`` as DuckDB's ``$name``; a list inside ``IN (…)`` is its items, even none."""

    def __init__(self, sql: str, parameters: Mapping[str, object]) -> None:
        self.sql = sql
        self.values: dict[str, object] = {}
        self._parameters = parameters
        self._found = binding.placeholders(sql, "duckdb")
        binding.check(self._found, parameters)
        self.text = binding.rewrite(sql, self._found, self._render)

    def explain(self, error: Exception, source: str) -> Exception:
        """DuckDB's error as ours, pointing into the SQL as it was typed."""
        if isinstance(error, StupiddbError):
            return error
        failed = translate(error, self.text, source=source)
        failed.sql = self.sql
        if failed.position is not None:
            failed.position = binding.original_position(failed.position, self._found, self._render)
        return failed

    def _render(self, placeholder: binding.Placeholder) -> str:
        name, value = placeholder.name, self._parameters[placeholder.name]
        if not is_list(value):
            self.values[name] = value
            return f"${name}"
        items = items_of(value)
        if placeholder.in_list and not placeholder.alone:
            if not items:
                raise UsageError(
                    f"the list :{name} is empty", hint=f"write IN (:{name}) with nothing beside it"
                )
            named = {f"{name}__{index}": item for index, item in enumerate(items)}
            self.values.update(named)
            return ", ".join(f"${item}" for item in named)
        self.values[name] = items
        return f"SELECT unnest(${name})" if placeholder.alone else f"${name}"
