"""`tf.train.Example` messages, encoded and decoded without protobuf.

An Example is features (field 1) → map entries (1) of a name (1) and a Feature (2): bytes (1), float32 (2) or int64 (3).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

NO_INTEGER = np.iinfo(np.int64).min
"""Represents a null among int64 values."""


def encode_examples(histories: pa.Table) -> list[bytes]:
    """One serialized Example per row; an unknown number is NaN, an unknown text is empty."""
    columns = {name: histories.column(name).combine_chunks() for name in histories.column_names}
    encoded = [(_wrap(1, name.encode()), _encode_features(column)) for name, column in columns.items()]
    examples = []
    for row in range(len(histories)):
        entries = [_wrap(1, name + _wrap(2, features[row])) for name, features in encoded]
        examples.append(_wrap(1, b"".join(entries)))
    return examples


def _encode_features(column: pa.ChunkedArray) -> list[bytes]:
    """One serialized Feature per row of an Arrow column, or of its lists."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.list_value_length(column).to_numpy() if pa.types.is_list(column.type) else np.ones(len(column), int)
    values = column.flatten() if pa.types.is_list(column.type) else column
    ends = np.append(0, np.cumsum(lengths))
    bounds = list(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))
    if pa.types.is_dictionary(values.type) or pa.types.is_string(values.type):
        coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        texts = [*(_wrap(1, text.encode()) for text in coded.dictionary.to_pylist()), _wrap(1, b"")]
        codes = coded.indices.fill_null(len(texts) - 1).to_pylist()
        return [_wrap(1, b"".join([texts[code] for code in codes[low:high]])) for low, high in bounds]
    if pa.types.is_floating(values.type):
        packed = values.cast(pa.float32()).fill_null(float("nan")).to_numpy().astype("<f4").tobytes()
        return [_wrap(2, _wrap(1, packed[4 * low : 4 * high])) for low, high in bounds]
    integers = pc.fill_null(values.cast(pa.int64()), NO_INTEGER).to_numpy().view(np.uint64)
    lengths = count_varint_bytes(integers)
    packed, places = encode_varints(integers), np.append(0, np.cumsum(lengths)).tolist()
    return [_wrap(3, _wrap(1, packed[places[low] : places[high]])) for low, high in bounds]


def count_varint_bytes(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """int64 (values,): bytes of each value, 7 bits per byte, at least one."""
    thresholds = np.array([1 << (7 * size) for size in range(1, 10)], np.uint64)
    return np.searchsorted(thresholds, values, "right") + 1


def encode_varints(values: npt.NDArray[np.uint64]) -> bytes:
    """The values as base-128 varints, one after the other.

    >>> encode_varints(np.array([1, 300], np.uint64)).hex()
    '01ac02'
    """
    lengths = count_varint_bytes(values)
    width = np.arange(10)
    groups = (values[:, None] >> (7 * width).astype(np.uint64)) & np.uint64(127)
    is_used, is_last = width < lengths[:, None], width == lengths[:, None] - 1
    return bytes((groups.astype(np.uint8) | np.where(is_last, 0, 128).astype(np.uint8))[is_used].tobytes())


def _wrap(field: int, content: bytes) -> bytes:
    length, size = len(content), bytearray([field << 3 | 2])
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    size.append(length)
    return bytes(size) + content


def decode_example(record: bytes) -> dict[str, list[Any]]:
    """Name -> values of a serialized Example: bytes, floats or integers.

    >>> import pyarrow as pa
    >>> decode_example(encode_examples(pa.table({"user": ["u"], "item": [["a", "b"]]}))[0])
    {'user': [b'u'], 'item': [b'a', b'b']}
    """
    decoded: dict[str, list[Any]] = {}
    for _, features in _read_fields(record):
        for _, entry in _read_fields(features):
            (_, name), (_, feature) = _read_fields(entry)
            ((kind, content),) = _read_fields(feature) or [(1, b"")]
            values = [value for _, value in _read_fields(content)]
            if kind == 1:
                decoded[name.decode()] = values
            elif kind == 2:
                decoded[name.decode()] = [
                    one for packed in values for one in struct.unpack(f"<{len(packed) // 4}f", packed)
                ]
            else:
                decoded[name.decode()] = [one for packed in values for one in _read_varints(packed)]
    return decoded


def _read_fields(message: bytes) -> list[tuple[int, bytes]]:
    """(field number, content) of a message whose fields are all length-delimited."""
    fields, place = [], 0
    while place < len(message):
        field, place = message[place] >> 3, place + 1
        length = shift = 0
        while True:
            byte, place = message[place], place + 1
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        fields.append((field, message[place : place + length]))
        place += length
    return fields


def _read_varints(packed: bytes) -> list[int]:
    values, value, shift = [], 0, 0
    for byte in packed:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            values.append(value - (1 << 64) if value >= 1 << 63 else value)
            value = shift = 0
    return values
