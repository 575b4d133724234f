"""The pages of the C reference: the rules, one page for each group, and the options."""

from html import escape

from . import code, prose, tree
from .groups import Group
from .header import Item
from .site import Page, Site, relative

SECTION = "C"
LABELS = {"constant": "constant", "handle": "handle", "type": "type", "callback": "callback type"}
LABELS |= {"function": "function", "macro": "function-like macro"}


def pages(site: Site) -> list[Page]:
    return [overview(site), *(group_page(site, group) for group in site.groups), options_page(site)]


def overview(site: Site) -> Page:
    url = "c/index.html"
    find = site.find_from(url)
    header = tree.main_header()
    example = "\n".join(line.removeprefix("    ") for line in header.opening.split("\n\n", 1)[1].splitlines())
    source = relative(site.url_of(tree.ROOT / "include/justredis.h", tree.ROOT), url)
    body = [
        "<h1>The C reference</h1>",
        f'<p class="lead">All of <a href="{source}"><code>justredis.h</code></a>: eleven rules, then each function '
        "with its units, ownership, threads and errors. The same is in the man pages that <code>make install</code> "
        "brings: <code>man justredis</code>, <code>man jr_execute</code>.</p>",
        code.block(example + "\n", "c", find),
        '<h2 id="what-there-is">What there is</h2>',
        '<ul class="cards">',
    ]
    for group in site.groups:
        body.append(card(f"{group.key}.html", group.title, group.summary))
    body.append(card("options.html", "Options", "Every option with its values, default and meaning."))
    body += ["</ul>", '<h2 id="the-rules">The rules</h2>', '<ol class="rules">']
    for number, rule in header.rules.items():
        body.append(f'<li id="rule-{number}">{prose.running(rule, find)}</li>')
    body.append("</ol>")
    body.append('<h2 id="all-names">All names</h2>')
    for group in site.groups:
        links = ", ".join(prose.code(item.name, find) for item in group.items)
        body.append(f'<p><a href="{group.key}.html">{group.title}</a>: {links}</p>')
    headings = [(2, "what-there-is", "What there is"), (2, "the-rules", "The rules"), (2, "all-names", "All names")]
    return Page(url, "The C reference", SECTION, "\n".join(body), headings, "The rules, and all names.")


def card(href: str, title: str, text: str) -> str:
    return f'<li><a href="{href}"><strong>{escape(title)}</strong><span>{escape(text)}</span></a></li>'


def group_page(site: Site, group: Group) -> Page:
    url = f"c/{group.key}.html"
    body = [f"<h1>{group.title}</h1>", f'<p class="lead">{prose.running(group.summary, site.find_from(url))}</p>']
    order = ["handle", "type", "callback", "function", "macro", "constant"]
    items = sorted(group.items, key=lambda item: order.index(item.kind))
    for item in items:
        body.append(item_html(item, site.find_from(url)))
    headings = [(2, item.name, item.name) for item in items]
    return Page(url, group.title, SECTION, "\n".join(body), headings, group.summary)


def item_html(item: Item, find: code.Find) -> str:
    def elsewhere(name: str) -> str | None:
        return None if name == item.name else find(name)

    head = f'<h2 id="{item.name}"><code>{item.name}</code> <small>{LABELS[item.kind]}</small></h2>'
    html = [f'<section class="item {item.kind}">', head]
    if item.kind == "constant":
        html[1] = f'<h2 id="{item.name}"><code>{item.name}</code> <small>= {escape(item.value)}</small></h2>'
    else:
        html.append(code.block(item.bare_declaration() + "\n", "c", elsewhere))
    html.append(prose.paragraphs(item.text, elsewhere))
    if item.members:
        html.append('<dl class="members">')
        for member in item.members:
            declared = code.coloured(member.declaration, "c", find).strip()
            html.append(f'<dt id="{item.name}.{member.name}"><code>{declared}</code></dt>')
            html.append(f"<dd>{prose.running(member.text, find)}</dd>")
        html.append("</dl>")
    html.append("</section>")
    return "\n".join(html)


def options_page(site: Site) -> Page:
    url = "c/options.html"
    find = site.find_from(url)
    body = [
        "<h1>Options</h1>",
        '<p class="lead">Set by '
        f"{prose.code('jr_config_set', find)}, or in a URL: "
        "<code>redis://user:password@host:port/database?command_timeout=250ms</code>. A duration is such as "
        "<code>250ms</code>, <code>5s</code> or <code>2m</code>; a bare number is milliseconds. A misspelt option is "
        "refused, with the nearest name.</p>",
        '<dl class="options">',
    ]
    for option in tree.options():
        value, default = prose.running(option.value, find), prose.running(option.default, find)
        body.append(
            f'<dt id="{option.name}"><a href="#{option.name}"><code>{option.name}</code></a></dt>'
            f'<dd><p class="facts">{value}<span>default: {default}</span></p>'
            f"<p>{prose.running(option.meaning, find)}</p></dd>"
        )
    body.append("</dl>")
    headings = [(2, option.name, option.name) for option in tree.options()]
    return Page(url, "Options", SECTION, "\n".join(body), headings, "Every option.")
