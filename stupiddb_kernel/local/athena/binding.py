"""Names of tables in a query -> relations DuckDB may see, and nothing else.

Every table of the query is replaced by a scan of its own (``scan_0``, ``scan_1`` …): a Glue table, a view
(expanded in place), ``"table$partitions"`` or a table of ``information_schema``. A name that is none of
these is Athena's TABLE_NOT_FOUND; no name reaches DuckDB as it was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from stupiddb_kernel.local.athena import information, translate
from stupiddb_kernel.local.athena.errors import QueryError
from stupiddb_kernel.local.athena.glue import CATALOG, Catalog, Partition, Table
from stupiddb_kernel.local.athena.pruning import predicate

if TYPE_CHECKING:
    import pyarrow as pa

_VIEW_DEPTH = 32


@dataclass
class Relation:
    """One table reference: a Glue table with what is known of its partitions, or rows made here."""

    name: str
    table: Table | None = None
    rows: pa.Table | None = None
    condition: exp.Expr | None = None
    partitions: list[Partition] | None = None

    @property
    def columns(self) -> list[str]:
        """The visible columns."""
        if self.table is not None:
            return list(self.table.schema.names)
        return list(self.rows.schema.names) if self.rows is not None else []


@dataclass
class Binding:
    """The relations of one query."""

    catalog: Catalog
    relations: list[Relation] = field(default_factory=list)

    def bind(self, tree: exp.Expr, sql: str, database: str, depth: int = 0) -> None:
        """Replace every table name in the tree, which was parsed from this text.

        Raises:
            QueryError: a table, schema or catalog that does not exist.
        """
        translate.check(tree, sql)
        for scope, node in list(_tables(tree)):
            self._replace(scope, node, sql, database, depth)
        for column in tree.find_all(exp.Column):
            column.set("db", None)
            column.set("catalog", None)

    def is_map(self, node: exp.Expr) -> bool:
        """Whether an expression is a map, as far as its form and the bound tables tell."""
        import pyarrow.types as at

        if isinstance(node, (exp.Map, exp.MapFromEntries)):
            return True
        if isinstance(node, exp.Anonymous):
            return node.name.lower() in (
                "map_agg",
                "map_concat",
                "map_filter",
                "transform_values",
                "histogram",
            )
        if isinstance(node, exp.Cast):
            return node.is_type(exp.DType.MAP)
        if isinstance(node, exp.Column):
            kinds = [
                relation.table.schema.field(node.name.lower()).type
                for relation in self.relations
                if relation.table is not None and node.name.lower() in relation.table.schema.names
            ]
            return bool(kinds) and at.is_map(kinds[0])
        return False

    def _replace(self, scope: Scope, node: exp.Table, sql: str, database: str, depth: int) -> None:
        where = translate.position(node, sql)
        alias = node.alias or node.name
        schema = (node.db or database).lower()
        if node.catalog and node.catalog.lower() != CATALOG:
            raise QueryError("CATALOG_NOT_FOUND", f"Catalog '{node.catalog.lower()}' does not exist", where)
        if schema == "information_schema":
            rows = information.rows(self.catalog, node.name.lower())
            if rows is None:
                raise _missing(schema, node.name, where)
            self._place(node, alias, Relation(self._next(), rows=rows))
            return
        self._replace_glue(scope, node, schema, alias, where, depth)

    def _replace_glue(
        self,
        scope: Scope,
        node: exp.Table,
        schema: str,
        alias: str,
        where: tuple[int, int] | None,
        depth: int,
    ) -> None:
        base, _, special = node.name.lower().partition("$")
        table = self.catalog.table(schema, base)
        if table is None or special not in ("", "partitions"):
            if self.catalog.database(schema) is None:
                raise QueryError("SCHEMA_NOT_FOUND", f"Schema '{schema}' does not exist", where)
            raise _missing(schema, node.name, where)
        if special:
            self._place(node, alias, Relation(self._next(), rows=information.partitions(self.catalog, table)))
        elif table.is_view:
            self._expand(node, alias, table, depth)
        else:
            _refuse_unreadable(table, where)
            condition = predicate(scope, node, alias, table)
            partitions = self.catalog.partitions(table) if table.partition_keys else None
            self._place(node, alias, Relation(self._next(), table, None, condition, partitions))

    def _expand(self, node: exp.Table, alias: str, table: Table, depth: int) -> None:
        if depth >= _VIEW_DEPTH:
            raise QueryError("INVALID_VIEW", f"View '{table.database}.{table.name}' is recursive or too deep")
        view = table.view
        try:
            tree = translate.parse(view.sql)
        except QueryError as error:
            raise QueryError(
                "INVALID_VIEW",
                f"Failed analyzing stored view '{CATALOG}.{table.database}.{table.name}': {error.located}",
            ) from error
        translate.name_outputs(tree)
        self.bind(tree, view.sql, view.schema, depth + 1)
        expanded = exp.Subquery(this=tree, alias=_alias(node, alias))
        for part in ("joins", "laterals", "sample"):
            expanded.set(part, node.args.get(part))
        node.replace(expanded)

    def _next(self) -> str:
        return f"scan_{len(self.relations)}"

    def _place(self, node: exp.Table, alias: str, relation: Relation) -> None:
        self.relations.append(relation)
        node.set("this", exp.to_identifier(relation.name, quoted=True))
        node.set("alias", _alias(node, alias))
        node.set("db", None)
        node.set("catalog", None)


def _alias(node: exp.Table, alias: str) -> exp.TableAlias:
    columns: list[Any] = list(node.args["alias"].columns) if node.args.get("alias") else []
    return exp.TableAlias(this=exp.to_identifier(alias, quoted=True), columns=columns)


def _tables(tree: exp.Expr) -> Iterator[tuple[Scope, exp.Table]]:
    """Every table reference that is no common table expression, with the scope it stands in."""
    try:
        scopes = traverse_scope(tree)
    except SqlglotError as error:
        raise QueryError("SYNTAX_ERROR", str(error).splitlines()[0]) from error
    seen: set[int] = set()
    for scope in scopes:
        for node in scope.tables:
            if id(node) in seen or isinstance(node.this, exp.Func):
                continue
            seen.add(id(node))
            named = scope.sources.get(node.alias_or_name)
            if node.db or not isinstance(named, Scope) or not _is_cte(scope, node.name):
                yield scope, node


def _is_cte(scope: Scope, name: str) -> bool:
    return any(known.lower() == name.lower() for known in scope.cte_sources)


def _missing(schema: str, name: str, where: tuple[int, int] | None) -> QueryError:
    return QueryError("TABLE_NOT_FOUND", f"Table '{CATALOG}.{schema}.{name.lower()}' does not exist", where)


def _refuse_unreadable(table: Table, where: tuple[int, int] | None) -> None:
    if table.parameters.get("table_type", "").upper() in ("ICEBERG", "DELTA", "HUDI"):
        raise QueryError(
            "NOT_SUPPORTED", f"{table.parameters['table_type']} tables are not supported here", where
        )
    if not table.is_parquet:
        raise QueryError(
            "NOT_SUPPORTED",
            f"Table {table.database}.{table.name} is not stored as Parquet, the only format supported here",
            where,
        )
