"""Settings from ``stupiddb.toml`` and the environment; everything wrong with them in one error.

The file is found upwards from the notebook's folder, or named by ``STUPIDDB_CONFIG``; none at all is
fine. The environment wins over the file, key by key (the variables: ``config.environment``). Relative
paths are relative to the file's folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from stupiddb_kernel.config import environment, file, literal, names
from stupiddb_kernel.config.description import describe
from stupiddb_kernel.config.file import ConfigurationFile, Key, dotted
from stupiddb_kernel.config.settings import (
    AnySource,
    AthenaSettings,
    AwsSettings,
    CatalogSettings,
    DuckdbSettings,
    GraphSettings,
    JobsSettings,
    LakeSettings,
    MysqlSettings,
    PostgresSettings,
    RedshiftSettings,
    RelationalSettings,
    S3Settings,
    Settings,
)
from stupiddb_kernel.errors import ConfigurationError, Problem, nearest

__all__ = ["describe", "load"]

_CLASSES: dict[str, type[AnySource]] = {
    "athena": AthenaSettings,
    "duckdb": DuckdbSettings,
    "mysql": MysqlSettings,
    "postgres": PostgresSettings,
    "redshift": RedshiftSettings,
    "s3": S3Settings,
}
_SECTIONS: dict[str, type[BaseModel]] = {
    "aws": AwsSettings,
    "store": DuckdbSettings,
    "lake": LakeSettings,
    "graph": GraphSettings,
    "jobs": JobsSettings,
    "catalog": CatalogSettings,
}
_PATHS = ("path", "temp_directory", "ssl_ca", "cache_directory", "directory")
_STORE_FILE = "stupiddb.duckdb"


def load(
    path: Path | None = None, *, environ: Mapping[str, str] = os.environ, start: Path | None = None
) -> Settings:
    """Read the configuration that holds for ``start`` (default: the working folder).

    Raises ConfigurationError with every problem there is, each with its key, what was found and what is
    allowed; values that may be secret are not repeated.
    """
    found = file.find(path, environ, start)
    return _Reading(file.read(found) if found else None, environ).settings()


class _Reading:
    """One reading of the configuration: collects problems until all of it was looked at."""

    def __init__(self, source: ConfigurationFile | None, environ: Mapping[str, str]) -> None:
        self.file = source
        written = source.tables if source else {}
        overrides = environment.overrides(environ, written)
        tables = environment.merge(written, overrides)
        said_by_urls, self.unreadable = names.with_urls(tables, environ)
        self.written = written
        self.tables = environment.merge(tables, said_by_urls)
        self.variables = environment.origins([*overrides, *said_by_urls])
        self.problems: list[Problem] = []

    def settings(self) -> Settings:
        """The settings, or ConfigurationError."""
        self._refuse_secrets()
        for key, variable in self.unreadable:
            self._problem(key, f"{variable}, whose value is no database URL", environment.URL_EXAMPLE)
        self._refuse_unknown_tables()
        sections = {name: self._section(name, model) for name, model in _SECTIONS.items()}
        sources, disabled = self._sources()
        if self.problems:
            where = str(self.file.path) if self.file else "the environment"
            count = len(self.problems)
            raise ConfigurationError(
                f"{where} has {count} problem{'s' if count > 1 else ''}:", _in_file_order(self.problems)
            )
        return Settings.model_validate(
            {
                **{name: section for name, section in sections.items() if section is not None},
                "sources": tuple(sources),
                "disabled": tuple(disabled),
                "environment": self.tables.get("environment"),
                "path": self.file.path if self.file else None,
                "origins": self._origins(),
            }
        )

    def _refuse_secrets(self) -> None:
        for key, replacement in literal.secrets(self.tables):
            self._problem(key, "a secret, written out (not shown)", replacement)

    def _refuse_unknown_tables(self) -> None:
        known = [*_SECTIONS, "sources", "environment"]
        for name in self.tables:
            if name not in known:
                self._unknown((name,), known)
        if not isinstance(self.tables.get("environment", ""), str):
            self._problem(("environment",), repr(self.tables["environment"]), "a string")
        if not isinstance(self.tables.get("sources", {}), Mapping):
            self._problem(("sources",), _shown(self.tables["sources"], ("sources",)), "tables [sources.NAME]")

    def _section(self, name: str, model: type[BaseModel]) -> BaseModel | None:
        table = self.tables.get(name, {})
        if not isinstance(table, Mapping):
            self._problem((name,), _shown(table, (name,)), f"a table [{name}]")
            return None
        values = self._with_paths(dict(table))
        hidden: dict[str, Any] = {}
        if name == "aws":
            values = {key: value for key, value in values.items() if key not in names.AWS_SOURCES}
        elif name == "store":
            hidden = {"name": "local", "kind": "duckdb"}
            values = self._store_values(values)
        return self._validate((name,), model, values, hidden)

    def _store_values(self, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("path") == ":memory:":
            values["path"] = None
        elif "path" not in values and "store" in self.written and self.file:
            values["path"] = self.file.path.parent / _STORE_FILE
        if values.get("s3_bucket") and not values.get("s3_key"):
            values["s3_key"] = f"databases/k9_api_{self.tables.get('environment') or 'dev'}.db"
        return values

    def _sources(self) -> tuple[list[AnySource], list[str]]:
        sources: list[AnySource] = []
        disabled: list[str] = []
        taken: dict[str, Key] = {}
        for found in names.source_tables(self.tables):
            if found.key[0] == "sources":
                self._check_name(found, taken)
            taken.setdefault(found.name.casefold(), found.key)
            settings = self._source(found)
            if isinstance(found.table, Mapping) and not environment.is_true(found.table.get("enabled", True)):
                disabled.append(found.name)
            elif settings is not None:
                sources.append(settings)
        return sources, disabled

    def _check_name(self, found: names.SourceTable, taken: Mapping[str, Key]) -> None:
        refusal = names.refusal(found.name)
        if refusal:
            self._problem(found.key, f"the name {found.name!r}", refusal)
        elif found.name.casefold() in taken:
            other = dotted(taken[found.name.casefold()])
            self._problem(found.key, f"the name {found.name!r}", f"a name of its own; [{other}] has this one")

    def _source(self, found: names.SourceTable) -> AnySource | None:
        if not isinstance(found.table, Mapping):
            self._problem(found.key, _shown(found.table, found.key), f"a table [{dotted(found.key)}]")
            return None
        by_engine = found.key[0] == "aws" and found.name in ("aurora", "rds")
        if found.kind is None:
            word = "engine" if by_engine else "kind"
            allowed = ["postgresql", "mysql"] if by_engine else list(names.KINDS)
            said = found.table.get(word, found.table.get("engine"))
            choice = " or ".join(f'"{name}"' for name in allowed)
            self._problem((*found.key, word), "nothing" if said is None else repr(said), choice)
            return None
        values = {**self._with_paths(dict(found.table)), "kind": found.kind, "name": found.name}
        values.pop("engine", None) if found.kind in ("postgres", "mysql", "redshift") else None
        hidden = {"name": found.name, "kind": found.kind}
        for word in ({"name", "kind"} if found.key[0] == "aws" else {"name"}) & set(found.table):
            self._unknown((*found.key, word), _keys(_CLASSES[found.kind], (word,), hidden))
        model = _CLASSES[found.kind]
        if issubclass(model, RelationalSettings):
            self._check_relational(found)
        if found.kind == "s3":
            self._check_prefixes(found)
        if found.kind == "duckdb" and not values.get("path"):
            self._problem((*found.key, "path"), "nothing", "the path of a DuckDB file")
        for key in ("name", "kind"):
            values.pop(key, None)
        return cast("AnySource | None", self._validate(found.key, model, values, hidden))

    def _check_relational(self, found: names.SourceTable) -> None:
        """Rules about where a relational source's address and credentials come from."""
        table = found.table
        if not environment.is_true(table.get("enabled", True)):
            return
        if not (table.get("secret") or table.get("url_env")):
            for key in ("host", "database"):
                if not table.get(key):
                    self._problem(
                        (*found.key, key), "nothing", f"the {key}, a secret or a url_env that has it"
                    )
        written: Any = self.written
        for part in found.key:
            written = written.get(part, {}) if isinstance(written, Mapping) else {}
        ways = [way for way in ("password_env", "secret", "url_env") if table.get(way)]
        chosen = [way for way in ways if isinstance(written, Mapping) and written.get(way)]
        iam = table.get("auth") == "iam"
        if len(chosen) > 1:
            self._problem((*found.key, chosen[1]), f"{' and '.join(chosen)} together", "one of them")
        elif iam and "password_env" in chosen:
            self._problem(
                (*found.key, "password_env"), "a password", 'none: auth = "iam" makes its own tokens'
            )
        elif not ways and not iam and dotted((*found.key, "password")) not in self._refused():
            allowed = 'password_env = "NAME_OF_A_VARIABLE", secret = "name or ARN", or auth = "iam"'
            self._problem((*found.key, "password_env"), "nothing", allowed)
        if iam and not any(table.get(key) for key in ("username", "username_env", "secret", "url_env")):
            self._problem((*found.key, "username"), "nothing", 'the user of the token, with auth = "iam"')
        authority = self._with_paths(dict(table)).get("ssl_ca")
        if isinstance(authority, Path) and not authority.is_file():
            self._problem((*found.key, "ssl_ca"), f"{str(authority)!r}, which is no file", "a PEM file")

    def _check_prefixes(self, found: names.SourceTable) -> None:
        """Two prefixes of one S3 source may not go by one name in the catalog."""
        taken: dict[str, int] = {}
        entries = found.table.get("sources", ())
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if not isinstance(entry, Mapping):
                continue
            parts = [part for part in str(entry.get("prefix", "")).split("/") if part]
            name = str(entry.get("name") or (parts[-1] if parts else entry.get("bucket", "")))
            if name in taken:
                key = (*found.key, "sources", index, "name")
                other = dotted((*found.key, "sources", taken[name]))
                self._problem(key, f"{name!r}", f"a name of its own; {other} has this one")
            taken.setdefault(name, index)

    def _with_paths(self, values: dict[str, Any]) -> dict[str, Any]:
        """The table's paths, made absolute from the file's folder; ``~`` is the user's home."""
        base = self.file.path.parent if self.file else Path.cwd()
        for key in _PATHS:
            value = values.get(key)
            if isinstance(value, str) and value and value != ":memory:":
                values[key] = base / Path(value).expanduser()
        return values

    def _validate(
        self, key: Key, model: type[BaseModel], values: Mapping[str, Any], hidden: Mapping[str, Any]
    ) -> BaseModel | None:
        """A section as its model; its problems under the key path that the file uses."""
        refused = self._refused()
        try:
            return model.model_validate({**values, **hidden})
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                place: Key = (*key, *detail["loc"])
                if dotted(place) in refused:
                    continue
                context = detail.get("ctx", {})
                if detail["type"] == "extra_forbidden":
                    extra = names.AWS_SOURCES if key == ("aws",) else ()
                    self._unknown(place, [*_keys(model, detail["loc"], hidden), *extra])
                elif detail["type"] == "missing":
                    self._problem(place, "nothing", "a value: it is required")
                elif detail["type"] == "rule":
                    self._problem(place, context["found"], context["allowed"])
                else:
                    self._problem(place, _shown(detail["input"], place), _allowed(detail["msg"], place))
        return None

    def _unknown(self, key: Key, known: list[str]) -> None:
        near = nearest(str(key[-1]), known, 1)
        allowed = f"did you mean {near[0]}?" if near else ", ".join(sorted(known))
        if dotted(key) not in self._refused():
            self._problem(key, "an unknown key", allowed)

    def _refused(self) -> set[str]:
        return {problem.key for problem in self.problems}

    def _problem(self, key: Key, found: str, allowed: str) -> None:
        variable = self.variables.get(key)
        if variable:
            found = f"{found} (from {variable})"
        line = self.file.line(key) if self.file and not variable else None
        self.problems.append(Problem(dotted(key), found, allowed, line))

    def _origins(self) -> dict[str, str]:
        origins = {}
        if self.file:
            for key in _leaves(self.written):
                line = self.file.line(key)
                origins[dotted(key)] = f"{self.file.path.name}, line {line}" if line else self.file.path.name
        return origins | {dotted(key): variable for key, variable in self.variables.items()}


def _keys(model: type[BaseModel], place: tuple[int | str, ...], hidden: Mapping[str, Any]) -> list[str]:
    """The keys allowed where an unknown one stood, so that the nearest can be named."""
    fields = model.model_fields
    for part in place[:-1]:
        if isinstance(part, str) and part in fields:
            inner = _models_in(fields[part].annotation)
            fields = inner[0].model_fields if inner else fields
    return [field.alias or name for name, field in fields.items() if name not in hidden]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]


def _allowed(message: str, key: Key) -> str:
    """Pydantic's sentence without its preamble; patterns are said in words."""
    if "should match pattern" in message:
        name = str(key[-1])
        if name.endswith("_env"):
            return "the name of an environment variable in capitals, not its value"
        return "s3://bucket/prefix/" if name == "output_location" else "the name of a bucket, without s3://"
    for preamble in ("Input should be a valid ", "Input should be "):
        message = message.removeprefix(preamble)
    return message


def _shown(value: Any, key: Key) -> str:
    """A value for an error message; what may be a secret is not repeated."""
    if literal.may_be_secret(key, value):
        return "a value that is not shown"
    if isinstance(value, Mapping):
        return "a table"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…" + text[-1]


def _leaves(value: Any, key: Key = ()) -> list[Key]:
    if isinstance(value, Mapping):
        return [leaf for name, inner in value.items() for leaf in _leaves(inner, (*key, name))]
    if isinstance(value, list) and value and all(isinstance(inner, Mapping) for inner in value):
        return [leaf for index, inner in enumerate(value) for leaf in _leaves(inner, (*key, index))]
    return [key]


def _in_file_order(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.line is None, problem.line or 0))
