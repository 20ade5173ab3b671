#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes include/contrastive/text/{unicode,html,legacy}_tables.hpp, which are in the repository. To be run only when the
pinned Unicode version changes.

  python3 cmake/text_tables.py [FOLDER]

FOLDER holds the files of Unicode 15.0.0 (Debian 12: package unicode-data, /usr/share/unicode). HTML's entities and the
old one-byte encodings come from Python's own tables, which are those of the HTML5 standard and of the vendors.
"""
import html
import html.entities
import pathlib
import re
import sys
import unicodedata

VERSION = "15.0.0"
FOLDER = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/unicode")
TARGET = pathlib.Path(__file__).resolve().parent.parent / "include/contrastive/text"
LAST = 0x110000

# The order of contrastive::CharacterKind.
UNASSIGNED, LETTER, DIGIT, NUMBER, NONSPACING, MARK, PUNCTUATION, SYMBOL, CONTROL, SPACE = range(10)
KINDS = {"L": LETTER, "Nd": DIGIT, "N": NUMBER, "Mn": NONSPACING, "M": MARK, "P": PUNCTUATION, "S": SYMBOL,
         "Z": SPACE, "C": CONTROL}


def property_of(file, name):
    """The code points that have a property, from a file like PropList.txt."""
    text = (FOLDER / file).read_text(encoding="utf-8")
    if f"-{VERSION}.txt" not in text.splitlines()[0]:
        sys.exit(f"{FOLDER / file} is not of Unicode {VERSION}")
    found = set()
    for first, last in re.findall(rf"(?m)^([0-9A-F]+)(?:\.\.([0-9A-F]+))?\s*;\s*{name}\s*#", text):
        found.update(range(int(first, 16), int(last or first, 16) + 1))
    return found


def unicode_data():
    """(kind, combining class, canonical decomposition, lower case) by code point."""
    kinds, classes, decompositions, lower = [UNASSIGNED] * LAST, [0] * LAST, {}, {}
    first = None
    for line in (FOLDER / "UnicodeData.txt").read_text().splitlines():
        field = line.split(";")
        code, name, category = int(field[0], 16), field[1], field[2]
        if name.endswith(", First>"):
            first = code
            continue
        kind = KINDS.get(category, KINDS.get(category[0]))
        for c in range(first if name.endswith(", Last>") else code, code + 1):
            kinds[c] = kind
        classes[code] = int(field[3])
        if field[5] and not field[5].startswith("<"):
            decompositions[code] = [int(part, 16) for part in field[5].split()]
        if field[13]:
            lower[code] = int(field[13], 16)
    for c in property_of("PropList.txt", "White_Space"):
        kinds[c] = SPACE
    return kinds, classes, decompositions, lower


def runs(values):
    """(length, value) of each run."""
    out = []
    for value in values:
        if out and out[-1][1] == value:
            out[-1][0] += 1
        else:
            out.append([1, value])
    return out


def ranges(codes):
    """Lengths of what is not and what is in a set, in turn."""
    flat = [length for length, _ in runs([c in codes for c in range(max(codes) + 1)])]
    return [0] + flat if 0 in codes else flat


def steps(mapping):
    """A mapping by (first, last, step, difference): A to Z, or every second letter from U+0100."""
    out = []
    for code in sorted(mapping):
        delta = mapping[code] - code
        if out:
            first, last, step, difference = out[-1]
            if difference == delta and code - last in ((step,) if last != first else (1, 2)):
                out[-1] = (first, code, code - last, delta)
                continue
        out.append((code, code, 1, delta))
    return [part for row in out for part in row]


def write_array(out, kind, name, values, comment):
    out.append(f"/// {comment}")
    out.append(f"inline constexpr {kind} {name}[] = {{")
    line = "   "
    for value in values:
        if len(line) + len(str(value)) + 2 > 120:
            out.append(line)
            line = "   "
        line += f" {value},"
    out.append(line)
    out.append("};")
    out.append("")


def write_text(out, name, words, comment):
    out.append(f"/// {comment}")
    out.append(f"inline constexpr std::string_view {name} =")
    line = '    "'
    for word in words:
        if len(line) + len(word) + 3 > 120:
            out.append(line + '"')
            line = '    "'
        line += word + " "
    out.append(line + '";')
    out.append("")


def save(name, source, includes, body):
    head = ["// SPDX-License-Identifier: MIT", f"// Written by cmake/text_tables.py from {source}.", "#pragma once", ""]
    head += [f"#include <{include}>" for include in includes] + [""] * (len(includes) > 0)
    head += ["// clang-format off", "namespace contrastive::detail {", ""]
    (TARGET / name).write_text("\n".join(head + body + ["}  // namespace contrastive::detail", ""]), encoding="ascii")


def write_unicode():
    kinds, classes, decompositions, lower = unicode_data()
    excluded = property_of("DerivedNormalizationProps.txt", "Full_Composition_Exclusion")
    pairs = [(c, *d) for c, d in sorted(decompositions.items()) if c not in excluded]
    others = [(c, d[0], d[1] if len(d) == 2 else 0) for c, d in sorted(decompositions.items()) if c in excluded]
    lower[0x130] = ord("i")  # followed by U+0307: SpecialCasing.txt
    out = []
    write_array(out, "std::uint32_t", "kind_runs", [16 * n + kind for n, kind in runs(kinds)],
                "Runs of characters of one kind from U+0000 on: 16 times the length, plus the kind.")
    write_array(out, "std::uint32_t", "cased_ranges", ranges(property_of("DerivedCoreProperties.txt", "Cased")),
                "Lengths of ranges that have not and that have the property Cased, in turn.")
    write_array(out, "std::uint32_t", "case_ignorable_ranges",
                ranges(property_of("DerivedCoreProperties.txt", "Case_Ignorable")), "The same for Case_Ignorable.")
    write_array(out, "std::int32_t", "lower_steps", steps(lower),
                "Lower case: (first, last, step, difference). U+0130 is the one that becomes two characters.")
    write_array(out, "std::uint32_t", "combining_runs", [256 * n + c for n, c in runs(classes[:0x1E94B])],
                "Runs of one canonical combining class: 256 times the length, plus the class.")
    write_array(out, "std::uint32_t", "composed_parts", [part for row in pairs for part in row],
                "Characters that are composed of two others: (whole, first, second).")
    write_array(out, "std::uint32_t", "decomposed_only", [part for row in others for part in row],
                "Characters that are taken apart and never composed again: (whole, first, second or 0).")
    save("unicode_tables.hpp", f"the data files of Unicode {VERSION}", ["cstdint"], out)


def as_hex(text):
    return "+".join(f"{ord(c):X}" for c in text)


def write_html():
    names = html.entities.html5
    upper = []
    for name, text in names.items():
        if name.endswith(";") and name == name.lower():
            entity = "&" + name.upper()
            if html.unescape(entity) == entity:
                upper.append(f"{name.upper()}={as_hex(text.upper())}")
    out = []
    write_text(out, "html_entities", sorted(f"{name}={as_hex(text)}" for name, text in names.items()),
               "The named character references of HTML5: name=code, or name=code+code.")
    write_text(out, "html_entities_upper", sorted(upper),
               "Names in capitals that HTML5 does not have and that ftfy takes for those in small letters.")
    save("html_tables.hpp", "HTML5's named character references", ["string_view"], out)


def write_legacy():
    out = []
    for page in ("cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1257", "iso8859_2", "mac_roman", "cp437"):
        codes = []
        for byte in range(128, 256):
            text = bytes([byte]).decode(page, errors="replace")
            codes.append(byte if text == "\ufffd" else ord(text))
        write_array(out, "char16_t", f"page_{page}", codes,
                    "What bytes 128 to 255 are in this encoding; a byte that means nothing stands for itself.")
    width = []
    for code in range(0xFF01, 0xFFEF):
        text = unicodedata.normalize("NFKC", chr(code))
        width.append(0 if text == chr(code) else ord(text[0]))
    write_array(out, "char16_t", "usual_width", width,
                "U+FF01 to U+FFEE in their usual width (NFKC), 0 if there is none. U+FFE3 is followed by U+0304.")
    save("legacy_tables.hpp", "the vendors' one-byte encodings and Unicode's width forms", [], out)


write_unicode()
write_html()
write_legacy()
