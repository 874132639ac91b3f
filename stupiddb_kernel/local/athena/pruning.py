"""Which partitions a query can need, from its WHERE clause: any condition that only speaks of partition keys.

DuckDB hands simple comparisons to the scan by itself. What it keeps (``substr(dt, 1, 7) = '2013-01'``,
``CAST(dt AS date) > …``) is evaluated here once per partition, as Athena does.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from stupiddb_kernel.local.athena.glue import Table

_UNSTEADY = (exp.Rand, exp.Uuid, exp.Subquery, exp.Select, exp.AggFunc, exp.Window, exp.Anonymous)


def predicate(scope: Scope, node: exp.Table, alias: str, table: Table) -> exp.Expr | None:
    """The conjunction of conditions every row this reference contributes must meet; None if there is none.

    Only conditions of WHERE count, and only for tables whose rows can't be replaced by NULLs in an outer
    join: dropping a partition there would change which rows find a partner.
    """
    select = scope.expression
    keys = {key.name for key in table.partition_keys}
    if not isinstance(select, exp.Select) or not keys or _nullable(select, node):
        return None
    where = select.args.get("where")
    if where is None:
        return None
    only_source = len(scope.sources) == 1
    found = [part.copy() for part in _conjuncts(where.this) if _speaks_of(part, keys, alias, only_source)]
    return exp.and_(*found) if found else None


def _nullable(select: exp.Select, node: exp.Table) -> bool:
    joins = select.args.get("joins") or []
    if any(join.side in ("RIGHT", "FULL") for join in joins):
        return True
    return any(join.this is node and join.side == "LEFT" for join in joins)


def _conjuncts(condition: exp.Expr) -> Iterator[exp.Expr]:
    inner = condition.unnest()
    if isinstance(inner, exp.And):
        yield from _conjuncts(inner.this)
        yield from _conjuncts(inner.expression)
    else:
        yield inner


def _speaks_of(part: exp.Expr, keys: set[str], alias: str, only_source: bool) -> bool:
    columns = list(part.find_all(exp.Column))
    if not columns or part.find(*_UNSTEADY):
        return False
    return all(
        column.name.lower() in keys
        and (column.table.lower() == alias.lower() if column.table else only_source)
        for column in columns
    )
