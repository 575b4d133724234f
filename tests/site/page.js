/* What the test asks a page for. */
(function () {
  var root = document.documentElement;
  var scrolls = function (element) {
    for (; element && element !== document.body; element = element.parentElement)
      if (/auto|scroll/.test(getComputedStyle(element).overflowX)) return true;
    return false;
  };
  var sticksOut = function (element) {
    var box = element.getBoundingClientRect();
    return box.width > 0 && box.right > root.clientWidth + 1 && box.left >= 0 && !scrolls(element);
  };
  var imagesThat = function (holds) {
    return Array.from(document.images).filter(holds).map(function (image) { return image.src; });
  };
  return {
    title: document.title,
    firstHeadings: document.querySelectorAll("h1").length,
    ids: Array.from(document.querySelectorAll("[id]"), function (element) { return element.id; }),
    links: Array.from(document.querySelectorAll("a[href]"), function (link) { return link.href; }),
    overflow: root.scrollWidth - root.clientWidth,
    stickingOut: Array.from(document.querySelectorAll("main *")).filter(sticksOut).slice(0, 3).map(function (element) {
      return element.tagName + " " + element.textContent.trim().slice(0, 60);
    }),
    withoutAlt: imagesThat(function (image) { return !image.alt; }),
    broken: imagesThat(function (image) { return !image.naturalWidth; }),
    programs: Array.from(document.querySelectorAll("[data-source]"), function (shown) {
      return [shown.dataset.source, shown.querySelector("code").textContent, shown.classList.contains("source")];
    }),
  };
})();
