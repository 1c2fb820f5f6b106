"""SQL quoting, and translation from DuckDB to Spark."""

from __future__ import annotations


def to_spark(sql: str) -> str:
    """The statement in Spark's dialect.

    >>> to_spark("SELECT CAST(a AS VARCHAR) AS b FROM events")
    'SELECT CAST(a AS STRING) AS b FROM events'
    """
    import sqlglot

    return ";\n".join(sqlglot.transpile(sql, read="duckdb", write="spark"))


def quoted(name: str) -> str:
    '''A quoted SQL identifier.

    >>> print(quoted('a "b"'))
    "a ""b"""
    '''
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A SQL string literal.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"
