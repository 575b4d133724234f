"""What readers of sources by their lines share."""


def comment_before(lines: list[str], place: int, mark: str) -> str:
    """The text of the comment lines that begin with `mark`, directly before a line."""
    start = place
    while start > 0 and lines[start - 1].strip().startswith(mark):
        start -= 1
    return "\n".join(line.strip().removeprefix(mark).removeprefix(" ") for line in lines[start:place])


def until(lines: list[str], place: int, ends: str) -> str:
    """A declaration from its line on, up to the first of these letters outside of parentheses, without it."""
    depth, out = 0, []
    for letter in "\n".join(lines[place : place + 30]):
        depth += (letter in "([") - (letter in ")]")
        if depth == 0 and letter in ends:
            break
        out.append(letter)
    return "".join(out).strip()
