"""SQL quoting, and translation from DuckDB to Spark."""

from __future__ import annotations


def translate_to_spark(sql: str) -> str:
    """The statement in Spark's dialect.

    >>> translate_to_spark("SELECT CAST(a AS VARCHAR) AS b FROM events")
    'SELECT CAST(a AS STRING) AS b FROM events'
    """
    import sqlglot

    return ";\n".join(sqlglot.transpile(sql, read="duckdb", write="spark"))


def quote_identifier(name: str) -> str:
    '''A quoted SQL identifier.

    >>> print(quote_identifier('a "b"'))
    "a ""b"""
    '''
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """A SQL string literal.

    >>> quote_literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"
