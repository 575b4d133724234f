/* The switch between light and dark, the list of pages on a phone, the tabs of programs, and the search. */
(function () {
  "use strict";
  var root = document.documentElement;

  /* --- light and dark --- */

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  document.querySelector(".theme").addEventListener("click", function () {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch (error) {
      /* It lasts as long as the page. */
    }
  });

  /* --- the list of pages, where there is no room for it --- */

  var menu = document.querySelector(".menu");
  menu.addEventListener("click", function () {
    var open = document.body.classList.toggle("with-pages");
    menu.setAttribute("aria-expanded", String(open));
  });
  var current = document.querySelector("nav [aria-current]");
  if (current && current.offsetTop > innerHeight - 120)
    document.getElementById("pages").scrollTop = current.offsetTop - 200;

  /* --- tabs --- */

  document.querySelectorAll("[role=tablist]").forEach(function (list) {
    var tabs = Array.from(list.querySelectorAll("[role=tab]"));
    function choose(tab) {
      tabs.forEach(function (other) {
        other.setAttribute("aria-selected", String(other === tab));
        other.tabIndex = other === tab ? 0 : -1;
        document.getElementById(other.getAttribute("aria-controls")).hidden = other !== tab;
      });
    }
    tabs.forEach(function (tab, place) {
      tab.addEventListener("click", function () { choose(tab); });
      tab.addEventListener("keydown", function (event) {
        var step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        var next = tabs[(place + step + tabs.length) % tabs.length];
        choose(next);
        next.focus();
      });
    });
  });

  /* --- where one is on this page --- */

  var links = Array.from(document.querySelectorAll(".beside a"));
  var byAnchor = new Map(links.map(function (link) { return [decodeURIComponent(link.hash.slice(1)), link]; }));
  if (links.length && "IntersectionObserver" in window) {
    var observer = new IntersectionObserver(function (entries) {
      entries.forEach(function (entry) {
        if (!entry.isIntersecting) return;
        links.forEach(function (link) { link.classList.remove("here"); });
        byAnchor.get(entry.target.id).classList.add("here");
      });
    }, { rootMargin: "-70px 0px -70% 0px" });
    byAnchor.forEach(function (link, anchor) {
      var heading = document.getElementById(anchor);
      if (heading) observer.observe(heading);
    });
  }

  /* --- the search --- */

  var input = document.getElementById("search");
  var results = document.getElementById("results");
  var base = document.body.dataset.root;
  var chosen = -1;

  /* The index is a script: a page that was opened from a file may load nothing else. */
  function withIndex(then) {
    if (window.searchIndex) return then();
    var script = document.createElement("script");
    script.src = base + "assets/search-index.js";
    script.onload = then;
    document.head.appendChild(script);
  }

  /* How well a section fits: all words have to be in it; those of headings count for more. */
  function score(section, words) {
    var title = section[1].toLowerCase(), heading = section[2].toLowerCase(), text = section[3].toLowerCase();
    var sum = 0;
    for (var i = 0; i < words.length; i++) {
      var word = words[i], found = 0;
      if (heading === word) found = 100;
      else if (heading.startsWith(word)) found = 40;
      else if (heading.includes(word)) found = 20;
      else if (title.includes(word)) found = 10;
      if (text.includes(word)) found += 2;
      if (!found) return 0;
      sum += found;
    }
    return sum;
  }

  function element(tag, text, parent) {
    var made = document.createElement(tag);
    made.textContent = text;
    parent.appendChild(made);
    return made;
  }

  function excerpt(text, word) {
    var place = text.toLowerCase().indexOf(word);
    var from = Math.max(0, place - 30);
    return (from ? "..." : "") + text.slice(from, from + 110);
  }

  function search() {
    var words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    chosen = -1;
    results.textContent = "";
    results.hidden = !words.length;
    if (!words.length) return;
    var found = [];
    window.searchIndex.forEach(function (section) {
      var points = score(section, words);
      if (points) found.push([points, section]);
    });
    found.sort(function (a, b) { return b[0] - a[0]; });
    found.slice(0, 12).forEach(function (pair) {
      var section = pair[1];
      var link = element("a", "", results);
      link.href = base + section[0];
      element("strong", section[2] || section[1], link);
      element("small", section[1], link);
      element("span", excerpt(section[3], words[0]), link);
    });
    if (!found.length) element("p", "Nothing has these words.", results);
  }

  function mark(step) {
    var all = results.querySelectorAll("a");
    if (!all.length) return;
    chosen = (chosen + step + all.length) % all.length;
    all.forEach(function (link, place) { link.classList.toggle("chosen", place === chosen); });
    all[chosen].scrollIntoView({ block: "nearest" });
  }

  input.addEventListener("input", function () { withIndex(search); });
  input.addEventListener("focus", function () { withIndex(function () {}); });
  input.addEventListener("keydown", function (event) {
    if (event.key === "ArrowDown") mark(1);
    else if (event.key === "ArrowUp") mark(-1);
    else if (event.key === "Enter") {
      var link = results.querySelectorAll("a")[Math.max(chosen, 0)];
      if (link) location.href = link.href;
    } else if (event.key === "Escape") {
      input.value = "";
      results.hidden = true;
      input.blur();
    } else return;
    event.preventDefault();
  });
  results.addEventListener("click", function () { results.hidden = true; });
  document.addEventListener("click", function (event) {
    if (!event.target.closest(".search")) results.hidden = true;
  });
  document.addEventListener("keydown", function (event) {
    if (event.key !== "/" || /INPUT|TEXTAREA/.test(document.activeElement.tagName)) return;
    event.preventDefault();
    input.focus();
  });
})();
