"""The house: every room is in CONTRIBUTING, paths in it exist, modules have a size, and old names are gone."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROOMS = sorted(path.name for path in (ROOT / "include/rollcall").iterdir() if (path / "__init__.py").exists())

#: Modules have up to 400 lines, and not only a handful. A module beyond these limits needs a reason here.
MAX_LINES, MIN_LINES = 400, 25
REASONS = {
    "include/rollcall/oneroster/paging.py": "how a collection is read is one state, from the first page to its proof",
    "include/rollcall/settings/mistakes.py": "a third of it is the table of mistakes and their remedies",
    "include/rollcall/warehouse/schemas.py": "four names that every module of the room imports",
    "include/rollcall/web/engines.py": "the database connections of the page",
}
#: Whole words that were renamed. The migrations, the changelog and the errors about retired settings keep theirs.
OLD_NAMES = (
    "politeness|leave_out|do_not_land|whom_to_map|would_publish|judge_night|judge_turned|put_away|put_beside|"
    "readers_have|night_readers_have|_removed_because|closed_because|_because|NeedsPerson|stage_edge|StageFailed|take_turn|"
    "taking_in|Teller|in_force|looked_at|_lay_in|_cut_out|PublishedReaders"
)
KEEP_OLD_NAMES = (
    "CHANGELOG.md",
    "include/rollcall/warehouse/migrations/versions/",
    "include/rollcall/settings/retired.py",
    "tests/settings/",
    "tests/warehouse/test_warehouse.py",
    "tests/test_house.py",
)


def tracked(*patterns: str) -> list[str]:
    """Files that git knows."""
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, check=True).stdout
    return [name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


def test_the_packages_root_has_no_loose_module() -> None:
    modules = {path.name for path in (ROOT / "include/rollcall").glob("*.py")}
    assert modules == {"__init__.py", "errors.py"}


def test_every_room_is_in_the_table_of_layers() -> None:
    layers = PAGE[PAGE.index("## The layers") : PAGE.index("## House rules")]
    assert [room for room in ROOMS if f"`{room}/`" not in layers] == []


def test_every_path_in_contributing_exists() -> None:
    places = PAGE[PAGE.index("## Where each shared thing lives") : PAGE.index("## Five examples")]
    named = re.findall(r"`([a-z_/*<>]+(?:\.py|/))`", places)
    assert len(named) > 20
    missing = []
    for name in named:
        pattern = re.sub(r"<[a-z]+>", "*", name)
        homes = (ROOT, ROOT / "include", ROOT / "include/rollcall")
        if "/" in name and not any(list(home.glob(pattern.rstrip("/"))) for home in homes):
            missing.append(name)
    assert missing == []


def test_modules_are_about_one_thing() -> None:
    modules = [
        name
        for name in tracked("include/*.py", "plugins/oneroster_provider/*.py")
        if not name.endswith(("__init__.py", "__main__.py")) and "/migrations/" not in name
    ]
    lines = {name: len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name in modules}
    beyond = {name: count for name, count in lines.items() if not MIN_LINES <= count <= MAX_LINES}
    assert sorted(beyond) == sorted(REASONS)


def test_old_names_appear_nowhere() -> None:
    old = re.compile(rf"\b(?:{OLD_NAMES})\b")
    files = tracked("*.py", "*.md", "*.yaml", "*.yml", "*.sql", "*.html", "*.toml")
    found = [
        f"{name}: {match[0]}"
        for name in files
        if not name.startswith(KEEP_OLD_NAMES)
        for match in old.finditer((ROOT / name).read_text(encoding="utf-8"))
    ]
    assert found == []


#: Reads of a clock that no `now` replaces, per module, and why.
CLOCKS = {
    "cli/districts.py": (1, "a command runs now"),
    "cli/history.py": (1, "a command runs now"),
    "cli/people.py": (1, "a command runs now"),
    "onboarding/preview_pull.py": (1, "what a pull that failed now has landed"),
    "pipeline/plan.py": (1, "how far this machine's clock is from the warehouse's"),
    "pipeline/run.py": (2, "how far this machine's clock is from the warehouse's, and the clock of a pull"),
    "warehouse/run_progress.py": (1, "the age of a progress line, which nothing depends on"),
    "web/page.py": (1, "a page is opened now; everything on it uses `page.now`"),
}
_IS_CLOCK = re.compile(r"(?:datetime\.(?:now|utcnow|today)|date\.today|time\.time)$")
#: `now()` of a statement is a default too, after a parameter.
_SQL_CLOCK = re.compile(r"(?<!timestamptz\), )\b(?:now\(\)|CURRENT_(?:DATE|TIMESTAMP)|LOCALTIMESTAMP)")
_SQL_FUNCTION = re.compile(r"func\.(?:now|current_\w+|localtime\w*|clock_timestamp)\(")
SQL_CLOCKS = {
    "warehouse/clock.py": "the one place of the warehouse's clock, which orders pulls",
    "warehouse/describe.py": "an example query for readers",
}


def _clock_reads(tree: ast.AST) -> int:
    """Reads of a clock other than `now or datetime.now(UTC)` of a parameter, and `now=lambda: datetime.now(UTC)`."""
    free = set()
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        arguments = function.args
        names = {argument.arg for argument in (*arguments.args, *arguments.kwonlyargs)}
        for default in (*arguments.defaults, *arguments.kw_defaults):
            free |= {id(node) for node in ast.walk(default)} if isinstance(default, ast.Lambda) else set()
        for node in ast.walk(function):
            if isinstance(node, ast.BoolOp) and isinstance(node.values[0], ast.Name) and node.values[0].id in names:
                free |= {id(part) for value in node.values[1:] for part in ast.walk(value)}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and id(node) not in free]
    return sum(bool(_IS_CLOCK.match(ast.unparse(call.func))) for call in calls)


def test_the_time_is_passed_in() -> None:
    found, in_sql = {}, set()
    for name in tracked("include/rollcall/*.py"):
        if "/migrations/" in name:
            continue
        module, tree = name.removeprefix("include/rollcall/"), ast.parse((ROOT / name).read_text(encoding="utf-8"))
        if count := _clock_reads(tree):
            found[module] = count
        texts = (str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant))
        if any(_SQL_CLOCK.search(text) for text in texts) or _SQL_FUNCTION.search(ast.unparse(tree)):
            in_sql.add(module)
    assert found == {module: count for module, (count, _) in CLOCKS.items()}
    assert in_sql <= set(SQL_CLOCKS), in_sql - set(SQL_CLOCKS)
