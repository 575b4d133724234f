"""The first page: what it is, the first program in each language, and ways to go on."""

from html import escape

from . import code, guides
from .site import Page, Site, relative
from .tree import ROOT

WAYS = [
    ("guides/overview.html", "Overview", "What it does without being asked, and what it does not do."),
    ("c/index.html", "C reference", "Eleven rules, then every function, type and constant."),
    ("c/options.html", "Options", "Each with its values, its default and what it means."),
    ("guides/outcomes.html", "Errors and outcomes", "What failed, whether the server ran it, what is sent again."),
    ("guides/event-loops.html", "Event loops", "libuv, libevent, libev, GLib, or one of your own."),
    ("guides/topologies.html", "Clusters and failover", "One server, sentinels, a cluster: what holds where."),
    ("guides/processes.html", "Threads, fork, signals", "One client for all threads, and what a child may do."),
    ("guides/performance.html", "Performance", "Where the time goes, measured beside other clients."),
]


def page(site: Site) -> Page:
    url = "index.html"
    programs = [("C", "c", "examples/c/hello.c")]
    programs += [(it.title, it.code, f"bindings/{it.key}/{it.hello}") for it in guides.languages()]
    tabs, panels = [], []
    for place, (title, language, name) in enumerate(programs):
        file = ROOT / name
        if not file.is_file():
            continue
        chosen = "true" if place == 0 else "false"
        key = title.lower().replace("+", "p")
        tabs.append(
            f'<button role="tab" id="tab-{key}" aria-controls="panel-{key}" aria-selected="{chosen}">{title}</button>'
        )
        source = relative(site.url_of(file, file), url)
        caption = f'<figcaption><a href="{source}">{name}</a></figcaption>'
        panels.append(
            f'<figure class="program" role="tabpanel" id="panel-{key}" aria-labelledby="tab-{key}" data-source="{name}"'
            f"{'' if place == 0 else ' hidden'}>{caption}{code.block(file.read_text(), language, site.find_from(url))}"
            "</figure>"
        )
    cards = [
        f'<li><a href="{to}"><strong>{escape(title)}</strong><span>{escape(text)}</span></a></li>'
        for to, title, text in WAYS
        if to.startswith("c/") or to in site.files.values()
    ]
    names = [it.title for it in guides.languages()]
    body = f"""
<section class="hero">
<h1>Redis and Valkey,<br>one client for all threads</h1>
<p class="lead">A shared library with a small C API. Every command is pipelined on one connection: nobody waits for the
answer to somebody else's command. Connecting, reconnecting, retrying, deadlines, clusters, sentinels and script caching
happen without being asked for.</p>
<p class="buttons"><a class="main" href="guides/overview.html">Start here</a><a href="c/index.html">C reference</a></p>
</section>
<section class="programs">
<h2 id="the-first-program">The first program</h2>
<div class="tabs" role="tablist" aria-label="Language">{"".join(tabs)}</div>
{"".join(panels)}
<p class="quiet">For C, {", ".join(names[:-1])} and {names[-1]}. Each program on these pages is one that the tests
run.</p>
</section>
<section>
<h2 id="where-to-go">Where to go</h2>
<ul class="cards">{"".join(cards)}</ul>
</section>
"""
    return Page(url, "Welcome", "Start", body, [])
