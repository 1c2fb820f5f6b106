"""Which column of a table of items holds its texts, which one names its pictures?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from leaven.errors import DataError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

    from leaven.datasets.catalog import Catalog

_TEXTS = ("title", "name", "item_name", "product_name", "product", "description", "text", "标题", "名称", "商品名称")
_BRANDS = ("brand", "品牌", "manufacturer", "maker")
_IMAGES = ("image", "image_path", "picture", "photo", "img", "image_file", "file", "path", "图片", "图像")
_IDS = ("item_id", "id", "sku", "asin", "parent_asin", "product_id", "stockcode", "商品id")


def catalog_of(file: Path, column: str = "", brand: str = "") -> tuple[Catalog, str]:
    """The items of a table with one column of texts and, where there is one, their brands; and that column's name.

    Without a column of ids the places of the lines are the ids.

    Raises DataError for a file that cannot be read, and for columns that it does not have.
    """
    from leaven.datasets.catalog import Catalog

    table = _read(file)
    names = table.column_names
    text = _column(file, names, column, _TEXTS)
    if not text:
        raise DataError(str(file), f"a column of texts ({', '.join(_TEXTS[:4])} …)", ", ".join(names), "--column NAME")
    words = {text: _cells(table, text)}
    if brands := _column(file, names, brand, _BRANDS):
        words["brand"] = _cells(table, brands)
    ids = _column(file, names, "", _IDS)
    return Catalog(_cells(table, ids) if ids else [str(line) for line in range(1, table.num_rows + 1)], words), text


def pictures_of(source: Path, image: str = "") -> tuple[list[Path | str], Catalog | None, list[str]]:
    """The files of pictures in a folder or named by a table of items, the items, and a name of each picture.

    Names of files start from the folder of the table; an item that names none has "".

    Raises DataError for what cannot be read, and for a table without such a column.
    """
    from leaven.datasets.catalog import Catalog
    from leaven.datasets.images import picture_files

    if source.is_dir():
        files = picture_files(source)
        return list(files), None, [str(file.relative_to(source)) for file in files]
    table = _read(source)
    names = table.column_names
    column = _column(source, names, image, _IMAGES)
    if not column:
        raise DataError(
            str(source), f"a column of files ({', '.join(_IMAGES[:4])} …)", ", ".join(names), "--image NAME"
        )
    words = {name: _cells(table, name) for name in (_column(source, names, "", _TEXTS),) if name}
    if brands := _column(source, names, "", _BRANDS):
        words["brand"] = _cells(table, brands)
    cells, ids = _cells(table, column), _column(source, names, "", _IDS)
    called = _cells(table, ids) if ids else [str(line) for line in range(1, table.num_rows + 1)]
    paths: list[Path | str] = [source.parent / cell if cell else "" for cell in cells]
    shown = next(iter(words.values()), called)
    lines = [f"{one} · {name}" if name != one else one for one, name in zip(called, shown, strict=True)]
    return paths, Catalog(called, words, images=cells, folder=source.parent), lines


def _read(file: Path) -> pa.Table:
    """All columns of a CSV, gzipped or not, or a Parquet file, as text."""
    import duckdb

    if not file.exists():
        raise DataError(str(file), "a table of items", "no such file", "name a CSV or Parquet file")
    reader = "read_parquet(?)" if file.suffix == ".parquet" else "read_csv(?, all_varchar = true, ignore_errors = true)"
    try:
        with duckdb.connect() as database:
            return database.sql(f"SELECT * FROM {reader}", params=[str(file)]).to_arrow_table()  # type: ignore[union-attr]
    except duckdb.Error as error:
        raise DataError(str(file), "a CSV or Parquet file", str(error).splitlines()[0], "") from error


def _column(file: Path, names: list[str], wanted: str, guesses: tuple[str, ...]) -> str:
    """The named column, or the first guess that is there; "" where none is."""
    if wanted:
        if wanted not in names:
            raise DataError(str(file), "one of its columns", repr(wanted), nearest(wanted, names))
        return wanted
    small = {name.lower(): name for name in reversed(names)}
    return next((small[guess] for guess in guesses if guess in small), "")


def _cells(table: pa.Table, name: str) -> list[str]:
    return ["" if cell is None else str(cell) for cell in table.column(name).to_pylist()]
