"""One tagged PDF of parts that WeasyPrint makes one after the other, written while they come.

WeasyPrint keeps a whole document in memory and asks for a list of all pages at every tag, so that long documents take
more than their share of both. Here a part's objects are written under numbers of their own as soon as it is there, and
what remains in memory is a few lines per page: the pages, what they are drawn with, and their tags' numbers.
"""

import re
import zlib
from collections.abc import Collection, Iterator
from typing import Any

import pydyf

REFERENCE = re.compile(rb"(\d+) 0 R")
IN_TAG = re.compile(rb"(\d+) 0 R|\((\d+)-")  # a reference, or the name of a table cell after its table's number
AT_ONCE = 200  # objects packed into one stream
FREE = (0, 0, 0)


class Joined:
    """`add` each part, `draw_on` all pages what is the same to no part (headers, page numbers), then `finish`; what is
    to be written meanwhile is in `pieces`. Parts hold no links and no forms; the first one names title and language."""

    def __init__(self) -> None:
        self.pages = 0
        self._places: list[tuple[int, int, int]] = [(0, 0, 65535)]  # per number: its kind, its place and index there
        self._waiting: list[tuple[int, bytes]] = []  # to be packed
        self._written: list[bytes] = []
        self._position = 0
        self._tree, self._root, self._document = self._number(), self._number(), self._number()
        self._catalog, self._info, self._begin = self._number(), self._number(), self._number()
        self._parents = self._number()
        self._leaves: list[tuple[int, dict[str, Any]]] = []  # a page's number, and what it says
        self._resources: dict[int, dict[str, Any]] = {}
        self._tags: list[bytes] = []
        self._marks: list[bytes] = []
        self._head: dict[str, Any] = {}
        self._write(b"%PDF-1.7\n%\xf0\x9f\x96\xa4\n")
        self._put(self._begin, pydyf.Stream([b"q"]).data, packed=False)

    def add(self, pdf: pydyf.PDF) -> None:
        """Write a part, tagged, and forget it: `pdf` is empty afterwards."""
        part = self._part(pdf)
        root = part.object(pdf.catalog["StructTreeRoot"])
        document, tree = part.object(root["K"][0]), part.object(root["ParentTree"])
        part.known = {
            pdf.pages.number: self._tree,
            root.number: self._root,
            document.number: self._document,
        }
        left_out = {0, pdf.catalog.number, tree.number, *part.known}
        if self._head:
            left_out.add(part.object(pdf.catalog["Metadata"]).number)
        else:
            self._head = {key: part.data(value) for key, value in pdf.catalog.items()}
            self._put(self._info, part.data(pdf.info))
        self._tags += [part.data(kid) for kid in document["K"]]
        for number, marks in zip(tree["Nums"][::2], tree["Nums"][1::2], strict=True):
            self._marks.append(b"%d %s" % (self.pages + number, part.data(marks)))
        self._keep(part, left_out)

    def _keep(self, part: "_Part", left_out: set[int]) -> None:
        """The pages and what they are drawn with are held back; all else is written."""
        pages = _pages(part.pdf)
        shared = {part.object(page["Resources"]).number for page in pages}
        for page in pages:
            if "Annots" in page:
                raise ValueError("a part with links cannot be joined")
            told = {key: part.data(value) for key, value in page.items()}
            self._leaves.append((part.number(page.number), told | {"StructParents": self.pages}))
            self.pages += 1
        for number in shared:
            found = part.pdf.objects[number]
            drawn = {key: part.data(value) for key, value in found["XObject"].items()}
            others = {key: part.data(value) for key, value in found.items() if key != "XObject"}
            self._resources[part.number(number)] = others | {"XObject": drawn}
        self._rest(part, left_out | shared | {page.number for page in pages})

    def draw_on(self, pdf: pydyf.PDF) -> None:
        """Draw each page of an untagged PDF upon the page of the same number, as an artifact that no tag names; `pdf`
        is empty afterwards."""
        part, pages = self._part(pdf), _pages(pdf)
        contents = {part.object(page["Contents"]).number for page in pages}
        for place, (page, (_number, leaf)) in enumerate(zip(pages, self._leaves, strict=True)):
            drawn, name = part.object(page["Contents"]), f"Foot{place}"
            form = {"Type": "/XObject", "Subtype": "/Form", "BBox": page["MediaBox"], "Resources": page["Resources"]}
            form = {key: part.data(value) for key, value in form.items()}
            self._put(part.number(drawn.number), pydyf.Stream(drawn.stream, form, compress=True).data, packed=False)
            resources = self._resources[int(REFERENCE.fullmatch(leaf["Resources"])[1])]  # type: ignore[index]  # it is one
            resources["XObject"][name] = b"%d 0 R" % part.number(drawn.number)
            upon, drawing = self._number(), f"Q /Artifact BMC q /{name} Do Q EMC".encode()
            self._put(upon, pydyf.Stream([drawing]).data, packed=False)
            leaf["Contents"] = b"[%d 0 R %s %d 0 R]" % (self._begin, leaf["Contents"], upon)
        left_out = {0, pdf.catalog.number, pdf.pages.number, *contents, *(page.number for page in pages)}
        self._rest(part, left_out)

    def finish(self) -> None:
        """Write what was held back, and the table of contents of the file."""
        for number, page in self._leaves:
            self._put(number, pydyf.Dictionary(page).data)
        for number, found in self._resources.items():
            self._put(number, pydyf.Dictionary(found | {"XObject": pydyf.Dictionary(found["XObject"])}).data)
        kids = b" ".join(b"%d 0 R" % number for number, _page in self._leaves)
        self._put(self._tree, b"<</Type /Pages/Count %d/Kids [%s]>>" % (self.pages, kids))
        tags = (b" ".join(self._tags), self._root)
        self._put(self._document, b"<</Type /StructElem/S /Document/K [%s]/P %d 0 R>>" % tags)
        self._put(self._parents, b"<</Nums [%s]>>" % b" ".join(self._marks))
        root = (self._parents, self._document, self.pages)
        self._put(self._root, b"<</Type /StructTreeRoot/ParentTree %d 0 R/K [%d 0 R]/ParentTreeNextKey %d>>" % root)
        own = {"Pages": b"%d 0 R" % self._tree, "StructTreeRoot": b"%d 0 R" % self._root}
        self._put(self._catalog, pydyf.Dictionary(self._head | own).data)
        self._pack()
        self._end()

    def pieces(self) -> Iterator[bytes]:
        """What has come to be written since the last call."""
        written, self._written = self._written, []
        yield from written

    def _end(self) -> None:
        start, number = self._position, self._number()
        self._places[number] = (1, start, 0)
        table = b"".join(
            kind.to_bytes(1, "big") + place.to_bytes(5, "big") + index.to_bytes(2, "big")
            for kind, place, index in self._places
        )
        extra = {"Type": "/XRef", "W": pydyf.Array((1, 5, 2)), "Size": len(self._places)}
        extra |= {"Root": b"%d 0 R" % self._catalog, "Info": b"%d 0 R" % self._info}
        data = pydyf.Stream([table], extra, compress=True).data
        self._write(b"%d 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (number, data, start))

    def _number(self) -> int:
        self._places.append(FREE)
        return len(self._places) - 1

    def _part(self, pdf: pydyf.PDF) -> "_Part":
        first = len(self._places)
        self._places += [FREE] * len(pdf.objects)
        return _Part(pdf, first)

    def _rest(self, part: "_Part", left_out: Collection[int]) -> None:
        """Write all but these, and forget it."""
        for one in part.pdf.objects:
            if one.number not in left_out:
                self._put(part.number(one.number), part.data(one), packed=one.compressible)
        del part.pdf.objects[1:]

    def _put(self, number: int, data: bytes, *, packed: bool = True) -> None:
        if packed:
            self._waiting.append((number, data))
            if len(self._waiting) >= AT_ONCE:
                self._pack()
            return
        self._places[number] = (1, self._position, 0)
        self._write(b"%d 0 obj\n%s\nendobj\n" % (number, data))

    def _pack(self) -> None:
        """Write the objects that wait as one compressed stream."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        own, places, at = self._number(), [], 0
        for index, (number, data) in enumerate(waiting):
            places.append(b"%d %d" % (number, at))
            self._places[number] = (2, own, index)
            at += len(data) + 1
        head = b" ".join(places)
        packed = zlib.compress(b"\n".join((head, *(data for _number, data in waiting))))
        extra = {"Type": "/ObjStm", "N": len(waiting), "First": len(head) + 1, "Filter": "/FlateDecode"}
        self._put(own, pydyf.Stream([packed], extra).data, packed=False)

    def _write(self, data: bytes) -> None:
        self._position += len(data)
        self._written.append(data)


class _Part:
    """A PDF whose objects get numbers from `first` on, but for those that are `known` by another."""

    def __init__(self, pdf: pydyf.PDF, first: int) -> None:
        self.pdf, self.first = pdf, first
        self.known: dict[int, int] = {}

    def object(self, reference: bytes) -> Any:
        found = REFERENCE.fullmatch(reference)
        if found is None:
            raise ValueError(f"{reference!r} refers to nothing")
        return self.pdf.objects[int(found[1])]

    def number(self, number: int) -> int:
        return self.known.get(number, self.first + number)

    def data(self, value: Any) -> bytes:
        """As it is written, with every reference to the number that the object has now."""
        if isinstance(value, bytes):
            found = REFERENCE.fullmatch(value)
            return b"%d 0 R" % self.number(int(found[1])) if found else value
        if isinstance(value, pydyf.Dictionary):
            if value.get("Type") == "/StructElem" and "Alt" not in value:  # most objects are: nothing typed is in these
                return IN_TAG.sub(self._renumbered, bytes(value.data))
            return bytes(pydyf.Dictionary({key: self.data(one) for key, one in value.items()}).data)
        if isinstance(value, pydyf.Array):
            return b"[" + b" ".join(map(self.data, value)) + b"]"
        if isinstance(value, pydyf.Stream):
            extra = {key: self.data(one) for key, one in value.extra.items()}
            return bytes(pydyf.Stream(value.stream, extra, value.compress).data)
        return bytes(pydyf.Array([value]).data[1:-1])  # figures as it writes them

    def _renumbered(self, found: re.Match[bytes]) -> bytes:
        if found[1]:
            return b"%d 0 R" % self.number(int(found[1]))
        return b"(%d-" % self.number(int(found[2]))


def _pages(pdf: pydyf.PDF) -> list[pydyf.Dictionary]:
    return [one for one in pdf.objects if isinstance(one, pydyf.Dictionary) and one.get("Type") == "/Page"]
