"""The reference of Python: its docstrings, read from the sources without running them."""

import ast
from pathlib import Path

from .entry import Entry

PUBLIC_BASES = {"Multiplexer", "Database", "RedisError", "RedisConnectionError"}
FACES = [("justredis", "__init__.py", "aio.py"), ("justredis.blocking", None, "blocking.py")]


def entries(folder: Path) -> list[Entry]:
    sources = folder / "src/justredis"
    trees = {path.name: ast.parse(path.read_text()) for path in sorted(sources.glob("*.py"))}
    classes = {}
    for name, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                classes.setdefault(node.name, []).append((name, node))
    made = []
    for module, exports, main in FACES:
        text = ast.get_docstring(trees[exports or main]) or ""
        made.append(Entry(module, f"import {module}", text))
        wanted = names_of(trees[exports]) if exports else None
        home = [main] + [name for name in trees if name != main] if exports else [main]
        for name in home:
            for node in trees[name].body:
                public = isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_")
                if public and ast.get_docstring(node) and (wanted is None or node.name in wanted):
                    if exports and name not in (main, "codec.py", "errors.py", "options.py", "subscription.py"):
                        continue
                    made.append(entry(module, node, name, classes))
    return made


def names_of(tree: ast.Module) -> set[str]:
    """What __all__ lists."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def entry(module: str, node: ast.ClassDef | ast.FunctionDef, file: str, classes: dict) -> Entry:
    made = Entry(f"{module}.{node.name}", signature(node), ast.get_docstring(node) or "")
    if isinstance(node, ast.ClassDef):
        seen = set()
        for method in methods(node, file, classes):
            if method.name not in seen and (text := ast.get_docstring(method)):
                made.members.append(Entry(method.name, signature(method), text))
                seen.add(method.name)
    return made


def methods(node: ast.ClassDef, file: str, classes: dict):
    """Those of a class, then those of the classes that it is made of, unless these are shown beside it."""
    for child in node.body:
        is_method = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
        if is_method and not child.name.startswith("_") and not is_overload(child):
            yield child
    for base in node.bases:
        name = ast.unparse(base).split("[")[0]
        if name in PUBLIC_BASES:
            continue
        homes = dict(classes.get(name, []))
        if homes:
            home = file if file in homes else next(iter(homes))
            yield from methods(homes[home], home, classes)


def is_overload(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list)


def signature(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    if isinstance(node, ast.ClassDef):
        first = next((child for child in node.body if getattr(child, "name", "") == "__init__"), None)
        bases = ", ".join(ast.unparse(base) for base in node.bases if not ast.unparse(base).startswith("_"))
        head = f"class {node.name}" + (f"({bases})" if bases else "")
        fields = [ast.unparse(child) for child in node.body if isinstance(child, (ast.AnnAssign, ast.Assign))]
        if shown := [field for field in fields if not field.startswith("_")]:
            return "\n    ".join([head + ":", *shown])
        return head if first is None else f"{head}\n{node.name}({arguments(first)})"
    kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    if any(ast.unparse(decorator) == "property" for decorator in node.decorator_list):
        return f"{node.name}: {ast.unparse(node.returns)}" if node.returns else node.name
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{kind} {node.name}({arguments(node)}){result}"


def arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    words = ast.unparse(node.args)
    return words.removeprefix("self, ").removeprefix("cls, ") if words not in ("self", "cls") else ""
