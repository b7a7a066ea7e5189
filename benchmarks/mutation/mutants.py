"""Every mutant of a source file: one node of one line replaced, the rest to the letter as it was.

Words are left alone (messages, names, keys), and so are annotations, imports and f-strings: most
mutants of them are either equivalent or caught by the first import.
"""

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}


@dataclass(frozen=True)
class Mutant:
    """One changed node.

    Attributes:
        line: Number of the line on which the node begins, from 1.
        kind: Mutation operator, such as "comparison".
        before: Code of the node.
        after: Code that takes its place.
        source: Whole file with the change.
    """

    line: int
    kind: str
    before: str
    after: str
    source: str


def mutants_of(source: str) -> list[Mutant]:
    """Every mutant of a file, in the order of its lines.

    Args:
        source: Text of a Python file.
    """
    lines = source.splitlines(keepends=True)
    starts = [0, *itertools.accumulate(map(len, lines))]

    def position(line: int, column: int) -> int:
        """Index in the text; ``ast`` counts columns in bytes of UTF-8."""
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

    found = []
    for node in _mutable_nodes(ast.parse(source)):
        for kind, after in _changes(node):
            start = position(node.lineno, node.col_offset)
            end = position(node.end_lineno or 0, node.end_col_offset or 0)
            before, text = source[start:end], source[:start] + after + source[end:]
            found.append(Mutant(node.lineno, kind, before, after, text))
    return sorted(found, key=lambda mutant: (mutant.line, mutant.kind, mutant.before))


def _mutable_nodes(tree: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """Statements and expressions that run, outermost first."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(
                child, ast.JoinedStr | ast.Import | ast.ImportFrom
            ):
                continue
            if isinstance(child, ast.expr | ast.stmt):
                yield child
            yield from _mutable_nodes(child)


def _changes(node: ast.expr | ast.stmt) -> Iterator[tuple[str, str]]:
    """Kind and new code of every mutation of one node."""
    match node:
        case ast.Compare(ops=[op]):
            yield "comparison", _code(node, ops=[COMPARED[type(op)]()])
        case ast.BoolOp(op=op):
            other = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield "boolean", _code(node, op=other)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "boolean", f"({ast.unparse(operand)})"
        case ast.UnaryOp(op=ast.USub(), operand=operand) if not isinstance(operand, ast.Constant):
            yield "arithmetic", f"({ast.unparse(operand)})"
        case ast.BinOp(op=op) if type(op) in COMPUTED and not _is_type(node):
            yield "arithmetic", _code(node, op=COMPUTED[type(op)]())
        case ast.AugAssign(op=op) if type(op) in COMPUTED:
            yield "arithmetic", ast.unparse(_with(node, op=COMPUTED[type(op)]()))
        case ast.Constant(value=bool() as value):
            yield "constant", str(not value)
        case ast.Constant(value=int() as value):
            yield "constant", str(value + 1)
        case ast.Constant(value=float() as value):
            yield "constant", repr(2 * value or 1.0)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield "boolean", _code(node, test=test, body=orelse, orelse=body)
        case ast.Call(args=[first, second, *rest]):
            if not any(isinstance(arg, ast.Starred) for arg in (first, second)):
                yield "swapped arguments", ast.unparse(_with(node, args=[second, first, *rest]))
        case ast.Return(value=ast.expr() as value):
            if not (isinstance(value, ast.Constant) and value.value is None):
                yield "return value", "return None"
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.Break() | ast.Continue():
            yield "removed statement", "pass"


def _with(node: ast.AST, **changes: object) -> ast.AST:
    """A copy of a node with other fields."""
    return type(node)(**(dict(ast.iter_fields(node)) | changes))


def _code(node: ast.expr, **changes: object) -> str:
    return f"({ast.unparse(_with(node, **changes))})"


def _is_type(node: ast.BinOp) -> bool:
    """Whether this reads like a union of types, as in ``isinstance(x, int | None)``."""
    parts = (node.left, node.right)
    return isinstance(node.op, ast.BitOr) and any(
        (isinstance(part, ast.Constant) and part.value is None)
        or (isinstance(part, ast.Name) and part.id in ("int", "float", "str", "bool", "dict"))
        or (isinstance(part, ast.Attribute | ast.Name) and _last_name(part)[:1].isupper())
        for part in parts
    )


def _last_name(node: ast.Attribute | ast.Name) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id
