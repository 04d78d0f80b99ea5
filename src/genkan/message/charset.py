# SPDX-License-Identifier: Apache-2.0
"""Octets of mail to Unicode: the charsets of RFC 2045 as mailers really use them, and a guess where none is declared.

Nothing raises, all is linear in the octets, and junk costs little more than text. Only charsets of the table below are
known: Python's codecs by name would load modules and grow caches for whatever a stranger writes, and UTF-7 makes halves
of surrogate pairs. Japanese text follows Microsoft's code page 932, so that a word is the same whether it came as
Shift_JIS, EUC-JP or ISO-2022-JP.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import Final

_ALIASES: Final = {
    "ascii": "us-ascii us ansi_x3.4-1968 iso646-us ascii",
    "utf-8": "utf-8 utf8 unicode-1-1-utf-8 x-utf-8 utf8mb4",
    "utf-16": "utf-16 ucs-2 unicode",
    "utf-16-le": "utf-16le",
    "utf-16-be": "utf-16be",
    "utf-32": "utf-32 ucs-4",
    "iso-2022-jp": "iso-2022-jp iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3 iso-2022-jp-2004 iso-2022-jp-ext iso-2022-jp-ms "
    "csiso2022jp cp50220 cp50221 cp50222 x-iso-2022-jp jis",
    "cp932": "shift_jis shift-jis x-sjis sjis s-jis ms_kanji cp932 ms932 windows-31j windows-932 x-ms-cp932 csshiftjis "
    "cswindows31j shift_jis-2004 shift_jisx0213 x-shift-jis",
    "euc-jp": "euc-jp eucjp x-euc-jp euc_jp eucjp-ms eucjp-win euc-jp-ms cp51932 cseucpkdfmtjapanese euc-jis-2004 ujis",
    "gb18030": "gb2312 gb18030 gbk cp936 ms936 windows-936 x-gbk csgb2312 euc-cn gb_2312-80 chinese",
    "hz": "hz-gb-2312 hz",
    "big5hkscs": "big5 big5-hkscs cp950 x-x-big5 csbig5 cn-big5",
    "cp949": "ks_c_5601-1987 ks_c_5601-1989 ks_c_5601 ksc5601 euc-kr euckr cp949 ms949 uhc windows-949 x-windows-949 "
    "korean cseuckr",
    "iso2022_kr": "iso-2022-kr csiso2022kr",
    "cp1252": "iso-8859-1 latin1 latin-1 l1 iso8859-1 cp1252 windows-1252 x-ansi ansi",
    "cp1254": "iso-8859-9 latin5 iso8859-9 windows-1254 cp1254",
    "cp874": "iso-8859-11 tis-620 windows-874 cp874",
    "koi8-r": "koi8-r koi8 koi",
    "koi8-u": "koi8-u",
    "mac-roman": "macintosh mac x-mac-roman",
    **{f"iso8859-{n}": f"iso-8859-{n} iso8859-{n} iso_8859-{n}" for n in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    "iso8859-8": "iso-8859-8 iso8859-8 iso-8859-8-i iso-8859-8-e",
    **{f"cp{n}": f"windows-{n} cp{n} x-cp{n}" for n in (1250, 1251, 1253, 1255, 1256, 1257, 1258)},
    **{f"cp{n}": f"cp{n} ibm{n}" for n in (437, 850, 852, 855, 866)},
}
_CODECS: Final = {alias.replace("_", "-"): codec for codec, aliases in _ALIASES.items() for alias in aliases.split()}

_EUC_JP: Final = re.compile(rb"(?:[\xa1-\xfe]{2})+|\x8f[\xa1-\xfe]{2}|\x8e[\xa1-\xdf]")
_BY_CP932: Final = "genkan-cp932"  # the error handler below
MAX_REPAIRS: Final = 10_000  # codes in one text that code page 932 is asked for; each costs a call

# Where JIS X 0208 as Python reads it and code page 932 mean different characters by the same code.
_AS_CP932: Final = (
    ("\u301c", "\uff5e"),
    ("\u2212", "\uff0d"),
    ("\u2016", "\u2225"),
    ("\u2014", "\u2015"),
    ("\u00a2", "\uffe0"),
    ("\u00a3", "\uffe1"),
    ("\u00ac", "\uffe2"),
)


def decode(octets: bytes, charset: str = "") -> str:
    """The text of `octets` in the declared `charset`; "" and one that is not known are guessed.

    What the charset does not have becomes U+FFFD. Text declared as us-ascii that has eight bits is guessed as well.
    """
    if not charset:
        return guess(octets)
    codec = _CODECS.get(charset[:64].partition("*")[0].strip(" \t\r\n\"'").lower().replace("_", "-"), "")
    match codec:
        case "" | "ascii":
            return guess(octets)
        case "iso-2022-jp":
            return _iso_2022_jp(octets)
        case "euc-jp":
            return _euc_jp(octets)
        case _:
            return octets.decode(codec, "replace")


def guess(octets: bytes) -> str:
    """Text whose charset nobody declared: ASCII, ISO-2022-JP by its escapes, UTF-8, EUC-JP, code page 932, Latin-1.

    EUC-JP comes before code page 932, which would take nearly all of it for half-width kana; the other way round the
    first hiragana tells them apart.
    """
    if octets.isascii():
        return _iso_2022_jp(octets) if b"\x1b" in octets else octets.decode("ascii")
    text = _strictly(octets, "utf-8")
    if text is None:
        text = _certain_euc_jp(octets)
    if text is None:
        text = _strictly(octets, "cp932")
    return octets.decode("latin-1") if text is None else text


def _strictly(octets: bytes, codec: str) -> str | None:
    """The text, or `None` where `codec` meets an error; a character cut off at the end is none, and is left out."""
    try:
        return codecs.getincrementaldecoder(codec)().decode(octets)
    except UnicodeDecodeError:
        return None


def _as_cp932(text: str) -> str:
    for jis, microsoft in _AS_CP932:
        text = text.replace(jis, microsoft)
    return text


def _iso_2022_jp(octets: bytes) -> str:
    """ISO-2022-JP and its relatives; with eight bits and no escape it is something else."""
    if b"\x1b$" not in octets and not octets.isascii():
        return guess(octets)
    for codec in ("iso2022_jp_ext", "iso2022_jp_2"):
        text = _strictly(octets, codec)
        if text is not None:
            return _as_cp932(text)
    return _as_cp932(octets.decode("iso2022_jp_ext", _BY_CP932))


def _euc_jp(octets: bytes) -> str:
    """EUC-JP with what Microsoft added."""
    return _as_cp932(octets.decode("euc_jp", _BY_CP932))


def _certain_euc_jp(octets: bytes) -> str | None:
    """The text if all of `octets` is EUC-JP, else `None`."""
    text = _strictly(octets, "euc_jp")
    if text is not None:
        return _as_cp932(text)
    if not _EUC_JP.sub(b"", octets).isascii():
        return None
    text = _euc_jp(octets)
    return None if "\ufffd" in text else text


def _by_cp932(error: UnicodeError) -> tuple[str, int]:
    """Where Python has no character for a code of JIS X 0208, code page 932 has: NEC's row 13, IBM's extensions.

    No codec of Python knows them in ISO-2022-JP. A code has two octets, with or without the eighth bit. A decoder of
    several octets gives the same exception each time, so that it can count; text with no end of errors is not worth it.
    """
    assert isinstance(error, UnicodeDecodeError)
    start = error.start
    repairs = vars(error).get("repairs", 0)
    if repairs >= MAX_REPAIRS:
        return _unrepaired(error)
    vars(error)["repairs"] = repairs + 1
    pair = error.object[start : start + 2]
    if len(pair) == 2 and (error.end - start == 2 or pair[0] > 0xA0):
        return _of_pair(pair[0] & 0x7F, pair[1] & 0x7F), start + 2
    return "\ufffd", error.end


def _unrepaired(error: UnicodeDecodeError) -> tuple[str, int]:
    """All the rest as the codec alone reads it, in ISO-2022-JP with the octets to a character that held so far."""
    octets, start = error.object, error.start
    doubled = octets.rfind(b"\x1b$", 0, start) > octets.rfind(b"\x1b(", 0, start) and error.encoding != "euc_jp"
    rest = (b"\x1b$B" if doubled else b"") + octets[start:]
    return rest.decode(error.encoding, "replace"), len(octets)


codecs.register_error(_BY_CP932, _by_cp932)


@lru_cache(maxsize=94 * 94)
def _of_pair(lead: int, trail: int) -> str:
    """The character of a code of two times seven bits: its Shift_JIS has two rows to a lead octet, and no trail 7F."""
    row, cell = lead - 0x21, trail - 0x21
    if not (0 <= row < 94 and 0 <= cell < 94):
        return "\ufffd"
    shifted_lead = (row >> 1) + (0x81 if row < 62 else 0xC1)
    shifted_trail = cell + (0x9F if row % 2 else 0x40 + (cell >= 63))
    return bytes((shifted_lead, shifted_trail)).decode("cp932", "replace")[:1]
