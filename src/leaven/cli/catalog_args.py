"""Catalogs and image files from tables of items whose columns are named or inferred."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from leaven.errors import DataError, suggest_name

if TYPE_CHECKING:
    import pyarrow as pa

    from leaven.datasets.catalog import Catalog

_TEXTS = ("title", "name", "item_name", "product_name", "product", "description", "text", "标题", "名称", "商品名称")
_BRANDS = ("brand", "品牌", "manufacturer", "maker")
_IMAGES = ("image", "image_path", "picture", "photo", "img", "image_file", "file", "path", "图片", "图像")
_IDS = ("item_id", "id", "sku", "asin", "parent_asin", "product_id", "stockcode", "商品id")


@dataclass(frozen=True)
class ImageSources:
    """Image files with their items. files: "" where an item has no image; names: a label of each image."""

    files: list[Path | str]
    catalog: Catalog | None
    names: list[str]


def load_text_catalog(file: Path, column: str = "", brand: str = "") -> tuple[Catalog, str]:
    """The items of a table with a column of texts and, where there is one, their brands; and the text column's name.

    Without a column of ids, items are numbered from 1.

    Raises DataError for a file that cannot be read, and for columns that it does not have.
    """
    from leaven.datasets.catalog import Catalog

    table = _ItemTable.load(file)
    text = table.require_column(column, _TEXTS, "texts", "--column NAME")
    words = {text: table.read_cells(text)}
    if brands := table.find_column(brand, _BRANDS):
        words["brand"] = table.read_cells(brands)
    return Catalog(table.read_ids(), words), text


def load_image_sources(source: Path, image: str = "") -> ImageSources:
    """The images in a folder, or those that a table of items names, relative to the table's folder.

    Raises DataError for what cannot be read, and for a table without such a column.
    """
    from leaven.datasets.catalog import Catalog
    from leaven.datasets.images import find_image_files

    if source.is_dir():
        files = find_image_files(source)
        return ImageSources(list(files), None, [str(file.relative_to(source)) for file in files])
    table = _ItemTable.load(source)
    cells = table.read_cells(table.require_column(image, _IMAGES, "files", "--image NAME"))
    words = {name: table.read_cells(name) for name in (table.find_column("", _TEXTS),) if name}
    if brands := table.find_column("", _BRANDS):
        words["brand"] = table.read_cells(brands)
    ids = table.read_ids()
    titles = next(iter(words.values()), ids)
    names = [f"{one} · {title}" if title != one else one for one, title in zip(ids, titles, strict=True)]
    paths: list[Path | str] = [source.parent / cell if cell else "" for cell in cells]
    return ImageSources(paths, Catalog(ids, words, image_paths=cells, image_folder=source.parent), names)


@dataclass(frozen=True)
class _ItemTable:
    """A table of items, every cell as text."""

    file: Path
    table: pa.Table

    @classmethod
    def load(cls, file: Path) -> _ItemTable:
        """Read all columns of a table, by the reader of logs."""
        from leaven.ingest.table_reader import read_table

        return cls(file, read_table(file))

    def find_column(self, name: str, candidates: tuple[str, ...]) -> str:
        """The named column, or the first candidate that exists; "" where none does."""
        names = self.table.column_names
        if name:
            if name not in names:
                raise DataError(str(self.file), "one of its columns", repr(name), suggest_name(name, names))
            return name
        by_lower_case = {column.lower(): column for column in reversed(names)}
        return next((by_lower_case[one] for one in candidates if one in by_lower_case), "")

    def require_column(self, name: str, candidates: tuple[str, ...], content: str, option: str) -> str:
        """The same; DataError where no candidate exists."""
        column = self.find_column(name, candidates)
        if not column:
            expected = f"a column of {content} ({', '.join(candidates[:4])} …)"
            raise DataError(str(self.file), expected, ", ".join(self.table.column_names), option)
        return column

    def read_cells(self, column: str) -> list[str]:
        """The cells of a column; "" for a null."""
        return ["" if cell is None else str(cell) for cell in self.table.column(column).to_pylist()]

    def read_ids(self) -> list[str]:
        """The ids of the items; numbers from 1 without a column of ids."""
        column = self.find_column("", _IDS)
        return self.read_cells(column) if column else [str(line) for line in range(1, self.table.num_rows + 1)]
