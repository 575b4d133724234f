"""Makes the reference site and the man pages out of the tree: the header, the guides, the READMEs, the bindings.

`scripts/docs` runs it. From the bottom: header (what a header says), tree (what is taken from the tree), groups (what
stands together), man (as man pages, with nothing but Python itself); code, prose, programs and markdown (texts as
HTML), site (which pages there are, and where links lead), reference, guides, languages, bindings and home (the pages),
template (what is around a page), search (the index), __main__ (writes all of it).
"""
